"""The MLflow client (the only one) and lineage."""
