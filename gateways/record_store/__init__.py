"""A store of records beside Temporal: wrapped keys now, the audit record later."""
