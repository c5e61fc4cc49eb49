"""A store of records beside Temporal: wrapped keys, the audit record with its anchors."""
