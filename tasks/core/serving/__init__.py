"""Serving: a registered version behind an OpenAI-compatible address."""
