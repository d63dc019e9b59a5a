"""Keys, artifacts, locks, ledger."""
