"""What the templates are given: one typed context per template, and the pure functions that build them from a Watch."""
