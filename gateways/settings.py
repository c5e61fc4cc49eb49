"""What the settings of connectors have in common. Secrets come from files or the environment."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from contracts.model import Key
from gateways.secrets import Secret


class Section(BaseModel):
    """A table of the configuration: an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def secret_of(file: Path | None, given: SecretStr | None) -> Secret:
    """A secret in a file (re-read when it changes) or, by the environment, given directly. One of
    both is to be there."""
    if given is not None:
        return Secret.of(given.get_secret_value())
    return Secret.file((file or Path()).expanduser())


class Credential(Section):
    """One key: in a file, or given by the environment."""

    api_key_file: Path | None = None
    api_key: SecretStr | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.api_key_file is None) == (self.api_key is None):
            raise ValueError("give either api_key_file or api_key (by the environment)")
        return self

    @property
    def secret(self) -> Secret:
        return secret_of(self.api_key_file, self.api_key)


class ConnectorSettings(Section):
    """What each configured connector says. `kind` is the entry point's name; left out, it is the
    name of the table. `webhook_secrets` are those that its webhooks may be signed with; without
    any, it sends none."""

    kind: str = ""
    legal_entity: Key
    webhook_secret_files: tuple[Path, ...] = ()
    webhook_secrets: tuple[SecretStr, ...] = ()

    @property
    def all_webhook_secrets(self) -> tuple[Secret, ...]:
        files = (Secret.file(path.expanduser()) for path in self.webhook_secret_files)
        return (*files, *(Secret.of(item.get_secret_value()) for item in self.webhook_secrets))


class CrmSettings(ConnectorSettings):
    """A CRM, and the legal entity whose contracts its won deals become.

    A deal won before `closed_since`, the day the firm began to use c2c, starts no contract by
    itself, whoever edits it. `signature` names the configured service for signatures whose
    completed envelope a won deal waits for; left out, a won deal counts as signed.
    """

    closed_since: date
    signature: Key | None = None
