"""Erasure: everything of one requester in a workspace, found, removed, and looked for once more."""
