"""Where bank files come from, and how they are read."""
