"""The starter model: a small base that the demo trains on, and how it was made."""
