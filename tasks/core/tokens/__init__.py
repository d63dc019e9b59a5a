"""Prompts, masking, lengths, batching."""
