"""Encryption of what Temporal holds: master keys, a key per contract, sealed payloads."""
