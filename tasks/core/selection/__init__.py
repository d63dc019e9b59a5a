"""Choosing across rows by hashes alone: duplicates, resemblance, the split."""
