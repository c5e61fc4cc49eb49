"""Whether the firm's own people are mailed: apart from what mails, because every command reads the
configuration."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator

from contracts.addresses import is_loopback
from contracts.model import Email, Key
from contracts.parking import Responsible
from gateways.secrets import Secret
from gateways.settings import Section, secret_of


class MailSettings(Section):
    """A mail server for mails to the firm's own people, and when their digests are sent.

    `security` is how the connection is encrypted: by STARTTLS, by TLS from the start, or not at
    all, which is for this machine only. `owners` look after exceptions: by legal entity and
    responsible (sales, operations, finance).
    """

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    from_address: Email
    user: str = ""
    password_file: Path | None = None
    password: SecretStr | None = None
    digest_at: time = time(7, 0)
    time_zone: str = "UTC"
    owners: dict[Key, dict[Responsible, tuple[Email, ...]]] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("an IANA time zone such as Europe/Brussels") from None
        return name

    @field_validator("digest_at")
    @classmethod
    def _a_minute(cls, at: time) -> time:
        if at.tzinfo is not None or at.second or at.microsecond:
            raise ValueError("a time of day in time_zone such as 07:30")
        return at

    @field_validator("from_address")
    @classmethod
    def _ascii(cls, address: Email) -> Email:
        if not address.isascii():
            raise ValueError("an e-mail address of ASCII, as most mail servers want it")
        return address

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError(f"security starttls or tls: {self.host} is not this machine")
        if self.password_file is not None and self.password is not None:
            raise ValueError("password_file or password (by the environment), not both")
        has_password = self.password_file is not None or self.password is not None
        if bool(self.user) != has_password:
            raise ValueError("both user and password_file, or neither")
        return self

    @property
    def secret(self) -> Secret | None:
        """The password; none where the server asks for none."""
        return secret_of(self.password_file, self.password) if self.user else None
