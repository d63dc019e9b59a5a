"""Comparing: what another language model says of two replies, when it is asked."""
