"""How long data is kept, and how it is destroyed."""
