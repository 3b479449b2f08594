"""Sources of market data: venues, recordings, the demo market. A feed publishes facts; it never reads the core."""
