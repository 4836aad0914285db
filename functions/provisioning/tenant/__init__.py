"""The data-plane half of a project: an identity that never changes, one way to make it and one way to remove it."""
