"""Who sends messages, proven: keys that sign and verify it, and what is configured of them."""
