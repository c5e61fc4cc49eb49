"""What the configuration says of encryption. Light to import: every command reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from gateways.secrets import Secret
from gateways.settings import Section, secret_of

MasterId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
TokenName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]


def _not_plain(url: str | None) -> str | None:
    from gateways.http import refuse_plain_http  # late: few configurations name an address

    if url is not None:
        refuse_plain_http(url)
    return url


class RecordsSettings(Section):
    """Where records are kept beside Temporal: a folder that all processes share, or a bucket.

    `bucket` is `s3://bucket/prefix`; `s3_endpoint` and `s3_region` are of an object store other
    than Amazon's. With `lock` each record but those of keys and large payloads, which must be
    destroyable, is locked for `lock_days`: under `compliance` nobody can remove it before, under
    `governance` only who has the right to.
    """

    folder: Path | None = None
    bucket: str | None = Field(None, pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?$")
    s3_endpoint: str | None = None
    s3_region: str | None = Field(None, pattern=r"^[a-z0-9-]{1,64}$")
    lock: Literal["governance", "compliance"] | None = None
    lock_days: int = Field(default=3_653, ge=1, le=36_500)

    @field_validator("s3_endpoint")
    @classmethod
    def _no_plain_http(cls, url: str | None) -> str | None:
        return _not_plain(url)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.folder is not None and self.bucket is not None:
            raise ValueError("either folder or bucket")
        if self.lock is not None and self.bucket is None:
            raise ValueError("lock with a bucket only: a folder cannot lock")
        return self

    @property
    def is_configured(self) -> bool:
        return self.folder is not None or self.bucket is not None


class TokenSettings(Section):
    """A token of the codec server, in a file, or given by the environment."""

    token_file: Path | None = None
    token: SecretStr | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.token_file is None) == (self.token is None):
            raise ValueError("give either token_file or token (by the environment)")
        return self

    @property
    def secret(self) -> Secret:
        return secret_of(self.token_file, self.token)


class CodecSettings(Section):
    """The codec server. `origins` are the exact addresses of Temporal UIs that may ask from a
    browser; `tokens` are who may ask, by name. Without tokens only this machine may."""

    origins: tuple[Annotated[str, StringConstraints(pattern=r"^https?://[^/*\s]+$")], ...] = ()
    tokens: dict[TokenName, TokenSettings] = Field(default_factory=dict, max_length=1_000)


class MasterSettings(Section):
    """A master key: 32 random bytes as Base64 (`c2c keys new-master` prints some), in a file, or
    given by the environment; or a symmetric key of AWS KMS, by its ARN, id or alias.

    `kms_endpoint` and `kms_region` are where that is, if AWS's own configuration says it not.
    """

    key_file: Path | None = None
    key: SecretStr | None = None
    kms_key: str | None = Field(None, pattern=r"^[A-Za-z0-9:/_-]{1,2048}$")
    kms_region: str | None = Field(None, pattern=r"^[a-z0-9-]{1,64}$")
    kms_endpoint: str | None = None

    @field_validator("kms_endpoint")
    @classmethod
    def _no_plain_http(cls, url: str | None) -> str | None:
        return _not_plain(url)

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [item for item in (self.key_file, self.key, self.kms_key) if item is not None]
        if len(given) != 1:
            raise ValueError("give one of key_file, key (by the environment) and kms_key")
        if self.kms_key is None and (self.kms_region or self.kms_endpoint):
            raise ValueError("kms_region and kms_endpoint with kms_key only")
        return self

    @property
    def secret(self) -> Secret:
        return secret_of(self.key_file, self.key)


class EncryptionSettings(Section):
    """Whether payloads are encrypted, and by which master keys.

    Left out, `enabled` is true where there are masters, and false only on the loopback: a Temporal
    beyond this machine needs masters, or a plain `enabled = false`. `active` names the master that
    new keys are wrapped by; the others open what they wrapped. A sealed payload of more than
    `large_payload_bytes` is kept in the record store, and Temporal has its name. Logs and traces
    leave out what failures say, unless `readable_logs` is true.
    """

    enabled: bool | None = None
    active: MasterId | None = None
    masters: dict[MasterId, MasterSettings] = Field(default_factory=dict, max_length=20)
    codec: CodecSettings = CodecSettings()
    large_payload_bytes: int = Field(default=256_000, ge=1_000, le=1_500_000)
    readable_logs: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.enabled and not self.masters:
            raise ValueError("at least one of masters, such as [encryption.masters.2026]")
        if self.active is not None and self.active not in self.masters:
            raise ValueError(f"active to be one of masters ({', '.join(self.masters) or 'none'})")
        if self.active is None and len(self.masters) > 1:
            raise ValueError(f"active, which of the masters ({', '.join(self.masters)}) wraps")
        return self

    @property
    def active_master(self) -> str:
        """The master that wraps new keys; empty without masters."""
        return self.active or next(iter(self.masters), "")
