"""What other processes read of this one. Each part is imported only when its setting asks for it."""
