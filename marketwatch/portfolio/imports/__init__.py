"""Files of other programs read as transactions: detected by their header, previewed, and taken whole or not at all."""
