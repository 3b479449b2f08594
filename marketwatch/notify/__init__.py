"""Notices to the world outside: webhook and e-mail, from the outbox, at least once each."""
