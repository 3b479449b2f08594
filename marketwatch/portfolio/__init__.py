"""What people own: the ledger, its value at the market, its performance, imports and exports."""
