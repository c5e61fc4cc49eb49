"""Signing in: people by OpenID Connect or, on one machine, by a choice; systems by tokens."""
