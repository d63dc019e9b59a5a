"""Reading, normalizing, redacting and splitting support logs."""
