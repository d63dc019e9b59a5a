"""Cleaning conversations, and what the doors look at in their texts."""
