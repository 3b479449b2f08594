"""The screener: which of all watched symbols meet a condition now, with columns of one's choice, and screens that are kept."""
