"""Immutable facts. Imports nothing of ours but `errors`."""
