"""The audit record in the record store: written, read, checked, anchored."""
