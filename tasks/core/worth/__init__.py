"""Whether there is enough new to train on."""
