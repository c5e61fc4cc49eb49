"""Connectors: what a system around Odoo declares of itself, and how it is found.

A connector is one object that a package names as an entry point, in the group of its kind; ours are
found the same way (pyproject.toml). Nothing else in this project lists them: configuration, worker,
schedules, web gateway, `c2c check`, `c2c setup` and `c2c connectors` read the declarations.
docs/extending.md shows how to write one.

A declaration is imported by every command that reads the configuration, so its module imports
little: what speaks to the remote is imported by `build`, when it is called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:  # what these import takes long, and few commands need it
    from contracts.events import InboundEvent
    from contracts.policy import LegalEntity
    from contracts.problems import Problem
    from gateways.odoo import OdooClient
    from gateways.webhooks.received import Received
    from gateways.webhooks.schemes import Scheme


class Group(StrEnum):
    """The kinds of connectors, and the groups of entry points that they are found in."""

    BANK = "c2c.bank"
    CRM = "c2c.crm"
    ESIGN = "c2c.esign"
    PAYMENTS = "c2c.payments"
    SENDER = "c2c.sender"
    TIMESHEETS = "c2c.timesheets"

    @property
    def label(self) -> str:
        """The group as people are told of it."""
        return _LABELS[self]

    @property
    def section(self) -> str:
        """The tables of the configuration that connectors of this group are configured in."""
        return self.value.removeprefix("c2c.")


_LABELS = {
    Group.BANK: "Bank",
    Group.CRM: "CRM",
    Group.ESIGN: "E-signature",
    Group.PAYMENTS: "Payments",
    Group.SENDER: "Sender",
    Group.TIMESHEETS: "Timesheets",
}


@dataclass(frozen=True)
class Surroundings:
    """What a connector gets beside its own settings: the name that it is configured under, the
    legal entity its contracts are of, and the firm's Odoo."""

    name: str
    entity: LegalEntity
    odoo: OdooClient


@dataclass(frozen=True)
class Webhook:
    """How the sender signs, and what its requests mean.

    It is answered within `deadline_seconds`, as it waits no longer itself; what does not prove its
    sender is answered with `unverified_status`. `signs_address`: what it signs holds our public
    address. `answer` is the text that the sender insists on; empty: ours.
    """

    verify: Scheme
    parse: Callable[[Received], Sequence[InboundEvent]]
    deadline_seconds: float
    unverified_status: int = 401
    signs_address: bool = False
    answer: str = ""


@dataclass(frozen=True)
class Sweep:
    """How the connector is looked through for what its webhooks did not tell.

    `overlap` is how long a change may take to show, so how far each sweep looks back before where
    the last ended; once a day it looks back by `nightly`, where that is longer.
    """

    overlap: timedelta = timedelta(minutes=5)
    nightly: timedelta = timedelta(0)


class Preparable(Protocol):
    """What each built gateway answers about its account, whatever its group."""

    @property
    def system(self) -> str:
        """The name it is configured under."""

    def missing_setup(self) -> list[Problem]:
        """What the account still lacks; empty when all is there. Raises GatewayError."""

    def ensure_setup(self) -> list[Problem]:
        """Create what is missing; safe to repeat. Returns what a person has to do. Raises
        GatewayError."""


S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True)
class Connector(Generic[S, R]):
    """What a vendor's module declares. `kind` is the entry point's name and what a configuration
    says; `about` is one line for lists; `build` makes the gateway of its settings (of the model
    `settings`) and sends nothing yet; what only sends webhooks has none. `live` says what was never
    tried against a live account. `docs` is more for its section of docs/connectors.md."""

    kind: str
    about: str
    settings: type[S]
    build: Callable[[S, Surroundings], R] | None = None
    webhook: Webhook | None = None
    sweep: Sweep | None = None
    live: str = ""
    docs: str = field(default="", kw_only=True)


class UnknownConnector(ValueError):
    """No installed package has a usable connector of that kind; the message says what there is."""


def connector(group: Group, kind: str) -> Connector[Any, Any]:
    """The declaration of that kind. Raises UnknownConnector."""
    known = _entry_points()[group]
    if kind not in known:
        there = ", ".join(sorted(known)) or "no connector is installed"
        raise UnknownConnector(f"one of the installed kinds ({there}), not {kind!r}")
    where = known[kind].value
    try:
        found = known[kind].load()
    except (ImportError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise UnknownConnector(f"{where} to be the connector {kind!r}: {why}") from error
    if not isinstance(found, Connector) or found.kind != kind:
        raise UnknownConnector(f"{where} to be a connector of kind {kind!r}")
    return found


def kinds(group: Group) -> list[str]:
    """The kinds that installed packages bring, in alphabetical order."""
    return sorted(_entry_points()[group])


@functools.cache
def _entry_points() -> Mapping[Group, Mapping[str, EntryPoint]]:
    """Of all groups at once: each look takes as long as the environment has packages."""
    found = entry_points()
    return {group: {item.name: item for item in found.select(group=group)} for group in Group}
