"""Personal data and secrets: found by kind, replaced by placeholders, and measured."""
