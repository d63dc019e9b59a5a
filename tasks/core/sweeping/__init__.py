"""Sweeping: which settings are tried, and in what order."""
