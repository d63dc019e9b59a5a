"""Versions as single files for llama.cpp and the programs that are built on it."""
