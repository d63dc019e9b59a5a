"""The one-file page of a run: its parts, its figures, and the templates that it is rendered from."""
