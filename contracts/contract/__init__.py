"""A contract: its state, and the messages its workflow takes."""
