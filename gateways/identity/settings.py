"""What the configuration says of identity. Light to import: every command reads it."""

from __future__ import annotations

from gateways.identity.login_settings import LoginSettings


class IdentitySettings(LoginSettings):
    """Who people and systems are."""
