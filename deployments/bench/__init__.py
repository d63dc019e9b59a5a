"""Measurements that the README quotes: `python -m deployments.bench`."""
