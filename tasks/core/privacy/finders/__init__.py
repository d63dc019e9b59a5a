"""Finders: each knows one kind of personal data or secret."""
