"""The trainer process: loop, checkpoints, guards."""
