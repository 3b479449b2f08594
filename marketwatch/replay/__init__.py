"""Watching the moment of an alert again: what is kept for it, what is shown of it, and the same run once more."""
