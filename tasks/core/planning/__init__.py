"""What a run would do, why, and what it would take."""
