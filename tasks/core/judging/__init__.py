"""Generation, metrics, statistics, gate rules."""
