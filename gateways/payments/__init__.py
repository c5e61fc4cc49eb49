"""Payment processors behind one small protocol."""
