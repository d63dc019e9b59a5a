"""Operating: what the services of a workspace share: addresses, credentials, the guard at their doors, watched logs."""
