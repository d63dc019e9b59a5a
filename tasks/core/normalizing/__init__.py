"""Normalizing: whatever a log holds becomes plain, composed, visible text."""
