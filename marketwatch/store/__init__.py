"""Durable facts: SQLite by default, PostgreSQL by setting, one set of queries."""
