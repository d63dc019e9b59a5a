"""Finding personal data and secrets in a text, each kind by its own checked patterns."""
