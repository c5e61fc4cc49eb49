"""An invoice: its state, the messages its workflow takes, and the rules of its collection."""
