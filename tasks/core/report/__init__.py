"""Figures and the one-file page."""
