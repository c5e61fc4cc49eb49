"""What the settings of connectors have in common. Secrets come from files or the environment."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from contracts.bank.statement import AccountNumber
from contracts.model import Email, Key, Text
from contracts.money import Money
from contracts.timesheets.mapping import MAX_MAPPED, Place, TimeMapping
from gateways.secrets import Secret


class Section(BaseModel):
    """A table of the configuration: an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _not_plain(url: str) -> str:
    from gateways.http import refuse_plain_http  # late: few configurations name an address

    refuse_plain_http(url)
    return url


Address = Annotated[str, AfterValidator(_not_plain)]
"""Where another system is: plain HTTP is for this machine only."""


def secret_of(file: Path | None, given: SecretStr | None) -> Secret:
    """A secret in a file (re-read when it changes) or, by the environment, given directly. One of
    both is to be there."""
    if given is not None:
        return Secret.of(given.get_secret_value())
    return Secret.file((file or Path()).expanduser())


class KeySettings(Section):
    """A key that seals: 32 random bytes as Base64 (`c2c keys new-master` prints some), in a file,
    or given by the environment."""

    key_file: Path | None = None
    key: SecretStr | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.key_file is None) == (self.key is None):
            raise ValueError("give either key_file or key (by the environment)")
        return self

    @property
    def secret(self) -> Secret:
        return secret_of(self.key_file, self.key)


class Credential(Section):
    """One key: in a file, or given by the environment."""

    api_key_file: Path | None = Field(
        None, description="a file with its key; it is read again whenever it changes"
    )
    api_key: SecretStr | None = Field(
        None, description="the key itself, for the environment. Give one of the two"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.api_key_file is None) == (self.api_key is None):
            raise ValueError("give either api_key_file or api_key (by the environment)")
        return self

    @property
    def secret(self) -> Secret:
        return secret_of(self.api_key_file, self.api_key)


class Configured(Section):
    """What every configured connector says. `kind` is the entry point's name; left out, it is the
    name of the table. `webhook_secrets` are those that its webhooks may be signed with; without
    any, it sends none."""

    kind: str = ""
    webhook_secret_files: tuple[Path, ...] = Field(
        (),
        description="files with secrets that its webhooks are signed with; any of them is "
        "accepted, and each is read again when it changes",
    )
    webhook_secrets: tuple[SecretStr, ...] = Field((), description="the same, for the environment")

    @property
    def all_webhook_secrets(self) -> tuple[Secret, ...]:
        files = (Secret.file(path.expanduser()) for path in self.webhook_secret_files)
        return (*files, *(Secret.of(item.get_secret_value()) for item in self.webhook_secrets))


class ConnectorSettings(Configured):
    """A connector of one legal entity."""

    legal_entity: Key = Field(description="the legal entity of its contracts")

    @field_validator("legal_entity")
    @classmethod
    def _entity_known(cls, value: Key, info: ValidationInfo) -> Key:
        return known(value, info, ENTITIES)


class CrmSettings(ConnectorSettings):
    """A CRM, and the legal entity whose contracts its won deals become.

    A deal won before `closed_since`, the day the firm began to use c2c, starts no contract by
    itself, whoever edits it. `signature` names the configured service for signatures whose
    completed envelope a won deal waits for; left out, a won deal counts as signed.
    """

    closed_since: date = Field(
        description="the day the firm began to use c2c, such as `2026-01-01`: a deal closed before "
        "it starts no contract by itself, even if somebody edits it later"
    )
    signature: Key | None = Field(
        None,
        description="the name under `esign` of the service whose completed envelope a won deal "
        "waits for; left out, a won deal counts as signed",
    )

    @field_validator("signature")
    @classmethod
    def _signature_known(cls, value: Key | None, info: ValidationInfo) -> Key | None:
        return None if value is None else known(value, info, SIGNATURES)


class TimesheetSettings(ConnectorSettings):
    """A time system, and where the hours of its people and projects belong in Odoo.

    Ids are the system's own. People are employees by their work e-mail; `people` is for those who
    have another one there. A project goes to a contract's milestone or plan, to a task in Odoo, or
    nowhere; `tasks` says so of single tasks of a project, and comes before `projects`.
    """

    people: dict[str, Email] = Field(
        default_factory=dict,
        max_length=MAX_MAPPED,
        description="person there = work e-mail of the employee in Odoo, where the two differ: "
        '`"1782959" = "petra@northwind.example"`',
    )
    projects: dict[str, Place] = Field(
        default_factory=dict,
        max_length=MAX_MAPPED,
        description='project there = where its hours go: `"14307913" = "C-1001/dev"` (contract '
        'and milestone or plan), `"task 812"` (a task of Odoo by its id), or `"ignore"`',
    )
    tasks: dict[str, Place] = Field(
        default_factory=dict,
        max_length=MAX_MAPPED,
        description='the same for single tasks: `"14307913/8083365" = "C-1001/design"` (project '
        "and task there)",
    )
    open_days: int = Field(
        45,
        ge=1,
        le=200,
        description="how many days back hours may still change: once a day these are compared "
        "with Odoo, line by line",
    )

    @property
    def mapping(self) -> TimeMapping:
        return TimeMapping(people=self.people, projects=self.projects, tasks=self.tasks)


class PaymentsSettings(ConnectorSettings):
    """A payment processor, and where its money is booked in Odoo: in `journal`, whose own account
    is the clearing account; a payout takes its fees to `fee_account` and the rest to
    `payout_account`, which the line on the bank statement settles. With `links` an invoice is
    mailed with a page to pay on."""

    journal: str = Field(
        min_length=1,
        max_length=20,
        description="the code of the journal in Odoo that its payments are booked in; the "
        "journal's own account is the clearing account",
    )
    fee_account: str = Field(
        min_length=1, max_length=64, description="the code of the account for its fees"
    )
    payout_account: str = Field(
        min_length=1,
        max_length=64,
        description="the code of the account for what it pays out, until that is on the bank "
        "statement",
    )
    links: bool = Field(
        False,
        description="mail each new invoice of the legal entity with a page on which it can be paid",
    )
    link_words: str = Field(
        "Pay this invoice online",
        min_length=1,
        max_length=100,
        description="what that link says in the mail",
    )


class BankSettings(ConnectorSettings):
    """A place where a bank's files are, and where the accounts in them are booked in Odoo.

    `accounts` are those that its files may be about, each with the code of its journal. Payments
    that differ from what is open by no more than `tolerance` settle it, and the difference goes to
    `difference_account`; without one nothing is tolerated.
    """

    accounts: dict[AccountNumber, Text] = Field(
        min_length=1,
        max_length=1_000,
        description="account = code of its journal in Odoo: "
        '`"BE68539007547034" = "BNK1"`. A file about another account is refused',
    )
    tolerance: tuple[Money, ...] = Field(
        (),
        max_length=200,
        description="up to how much more or less than what is open still settles an invoice, one "
        'amount a currency: `["1.00 EUR"]`',
    )
    difference_account: str = Field(
        "",
        max_length=64,
        description="the code of the account that such a difference goes to; left out, nothing is "
        "tolerated",
    )


class SenderSettings(Configured):
    """What only sends webhooks, and so needs a secret. `legal_entity` is the one that its contracts
    are of; without one, each event names it."""

    legal_entity: Key | None = Field(
        None, description="the legal entity of its contracts; it then reaches no other"
    )

    @field_validator("legal_entity")
    @classmethod
    def _entity_known(cls, value: Key | None, info: ValidationInfo) -> Key | None:
        return None if value is None else known(value, info, ENTITIES)

    @model_validator(mode="after")
    def _has_secrets(self) -> Self:
        if not self.webhook_secret_files and not self.webhook_secrets:
            raise ValueError("give webhook_secret_files, or webhook_secrets (by the environment)")
        return self


ENTITIES, SIGNATURES = "entities", "esign"
"""What the rest of the configuration has, in the context that a connector's table is read in."""


def known(name: Key, info: ValidationInfo, what: str) -> Key:
    """The name, if the configuration has it. Where nobody says what it has, any will do."""
    there = (info.context or {}).get(what)
    if there is not None and name not in there:
        raise ValueError(f"one of {what} ({', '.join(there) or 'none is configured'})")
    return name
