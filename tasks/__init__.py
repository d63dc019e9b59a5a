"""The steps: one Prefect task a file, each with its cache lid."""
