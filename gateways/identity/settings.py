"""What the configuration says of identity. Light to import: every command reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from gateways.identity.login_settings import LoginSettings
from gateways.secrets import Secret
from gateways.settings import secret_of


class IdentitySettings(LoginSettings):
    """Whether what people decide must be signed, and by which keys that is done and verified.

    Left out, `required` is true where Temporal is beyond the loopback. The signing key is a private
    JWK (Ed25519), in a file or given by the environment; whatever sends needs one. `verify` are
    files with public keys, each a JWK or a JWK Set; the process's own signing key verifies, too.
    All files are read again when they change.
    """

    required: bool | None = None
    signing_key_file: Path | None = None
    signing_key: SecretStr | None = None
    verify: tuple[Path, ...] = Field(default=(), max_length=20)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.signing_key_file is not None and self.signing_key is not None:
            raise ValueError("either signing_key_file or signing_key (by the environment)")
        return self

    @property
    def signing_secret(self) -> Secret | None:
        """The private key; None where this process signs nothing."""
        if self.signing_key_file is None and self.signing_key is None:
            return None
        return secret_of(self.signing_key_file, self.signing_key)

    @property
    def verify_files(self) -> tuple[Path, ...]:
        return tuple(path.expanduser() for path in self.verify)
