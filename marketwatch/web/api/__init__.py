"""The JSON API under /api, one file per group of routes."""
