"""The stories: what happens, in what order."""
