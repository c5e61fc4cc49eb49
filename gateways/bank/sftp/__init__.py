"""A folder on an SFTP server as a source of bank files: what it declares, and its settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from gateways.connectors import Connector, Surroundings, Sweep
from gateways.secrets import Secret
from gateways.settings import BankSettings, secret_of

if TYPE_CHECKING:
    from gateways.bank.protocol import BankSource

HostKey = Annotated[
    str, StringConstraints(pattern=r"^(ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$")
]


class SftpSettings(BankSettings):
    """An account on an SFTP server, by a private key or a password. The server is known by its host
    key: one that shows another is not spoken to."""

    host: str = Field(min_length=1, max_length=253, description="the server")
    port: int = Field(22, ge=1, le=65_535, description="its port")
    user: str = Field(min_length=1, max_length=100, description="the account")
    host_keys: tuple[HostKey, ...] = Field(
        min_length=1,
        max_length=10,
        description="the server's public keys, each as in known_hosts without the name: "
        '`["ssh-ed25519 AAAAC3…"]`. Ask the bank for them; `ssh-keyscan` shows what to compare. '
        "Several while the bank changes its key",
    )
    private_key_file: Path | None = Field(
        None,
        description="a file with the account's private key, in OpenSSH's or PEM format and without "
        "a passphrase; it is read again for each connection",
    )
    private_key: SecretStr | None = Field(None, description="the key itself, for the environment")
    password_file: Path | None = Field(None, description="a file with the account's password")
    password: SecretStr | None = Field(
        None, description="the password itself, for the environment. Give one of these four"
    )
    folder: str = Field(
        ".",
        min_length=1,
        max_length=1_000,
        description="the folder that files are put into; `.` is the one the account begins in",
    )
    pattern: str = Field(
        "*",
        min_length=1,
        max_length=100,
        description="what the names of bank files match, such as `*.xml`, in any case; others are "
        "left alone",
    )
    timeout_seconds: float = Field(
        30, ge=1, le=80, description="how long the server may take to answer a request"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (self.private_key_file, self.private_key, self.password_file, self.password)
        if sum(item is not None for item in given) != 1:
            raise ValueError(
                "give one of private_key_file and password_file, or private_key or password (by "
                "the environment)"
            )
        return self

    @property
    def secret_key(self) -> Secret | None:
        if self.private_key_file is None and self.private_key is None:
            return None
        return secret_of(self.private_key_file, self.private_key)

    @property
    def secret_password(self) -> Secret | None:
        if self.password_file is None and self.password is None:
            return None
        return secret_of(self.password_file, self.password)


def _build(settings: SftpSettings, around: Surroundings) -> BankSource:
    from gateways.bank.drop import Drop
    from gateways.bank.sftp.files import SftpFiles
    from gateways.bank.sftp.session import Account, SftpSession

    account = Account(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        host_keys=settings.host_keys,
        private_key=settings.secret_key,
        password=settings.secret_password,
    )
    session = SftpSession(account, system=around.name, timeout_seconds=settings.timeout_seconds)
    return Drop(SftpFiles(session, settings.folder), system=around.name, pattern=settings.pattern)


CONNECTOR = Connector(
    kind="sftp",
    about="bank files on an SFTP server",
    settings=SftpSettings,
    build=_build,
    sweep=Sweep(overlap=timedelta(0)),
    live="It was tried against asyncssh's own server, never against a bank's.",
    docs="How to set it up, and what happens: [bank-files.md](connectors/bank-files.md).",
)
