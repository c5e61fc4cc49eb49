"""What the author of a connector gives the kit: how to do at the remote what people do there."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from gateways.connectors import Connector
from gateways.odoo import OdooClient
from sandbox.proxy import Request

NAME = "north"
"""What the kit configures a connector as: not its kind, which it must not take for its name."""


@dataclass(frozen=True)
class Answer:
    """An answer of the remote's to any call."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Delivery:
    """A webhook as the remote sends it, to the address `url`."""

    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"
    url: str = f"https://c2c.example/webhooks/{NAME}"


class NotTried(UserWarning):
    """A case that a remote cannot show, with its author's reason; pytest's summary lists it."""


_NO_JSON = (b"", b"<html><body>Sign in to the network</body></html>", b'{"cut', b'"text"', b"null")
EMPTY = (b"[]", b"{}")


class System(ABC):
    """The system behind a connector, whatever it is spoken to in.

    What it cannot show, it says in `cannot`: the method's name and the reason, which pytest prints.
    Each other method has to be there: the kit fails without it.
    """

    connector: ClassVar[Connector[Any, Any]]
    cannot: ClassVar[Mapping[str, str]] = {}
    names_itself: ClassVar[str] = NAME
    """The system that the connector's errors name: what it is configured as."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it is, on this machine: `http://127.0.0.1:8000`."""

    @abstractmethod
    def settings(self, address: str) -> dict[str, Any]:
        """The connector's table of the configuration for a remote at this address, with good
        credentials. The kit adds `legal_entity` and, for a CRM, `closed_since`."""

    @abstractmethod
    def wrong_settings(self, address: str) -> dict[str, Any]:
        """The same, with credentials that the remote does not accept."""

    @abstractmethod
    def secrets(self) -> list[str]:
        """What must never be shown, of both kinds of settings."""

    def odoo(self, address: str, *, wrong: bool = False) -> OdooClient | None:
        """The firm's Odoo, for a connector that uses it; `wrong`: with a key that is none."""
        return None

    def without_setup(self) -> AbstractContextManager[Self]:
        """Another account of the remote, which nobody has set up."""
        raise NotImplementedError("without_setup, or why not in `cannot`")

    def now(self) -> datetime:
        """What its clock says."""
        return datetime.now(UTC)

    def can(self, method: str) -> bool:
        """Whether it can show this; where not, the reason is printed."""
        if not hasattr(type(self), method):
            raise ValueError(f"there is no {method}")
        reason = self.cannot.get(method)
        if reason is not None:
            warnings.warn(f"{self.connector.kind}, {method}: {reason}", NotTried, stacklevel=2)
        return reason is None


class Remote(System):
    """A system that speaks HTTP."""

    malformed: ClassVar[tuple[bytes, ...]] = (*_NO_JSON, *EMPTY)
    """Bodies, with the status 200, that are no answer of the remote's to any call."""

    @abstractmethod
    def rate_limited(self, seconds: int, request: Request) -> Answer:
        """How it refuses this call for its limit, which lasts for so many seconds."""

    def end_sessions(self) -> None:
        """What the connector signed in with ends now, long before its time."""
        raise NotImplementedError("end_sessions, or why not in `cannot`")

    def webhook(self, record_id: str, secret: str) -> Delivery:
        """A webhook about a deal or an envelope, signed with the secret; for a connector that
        declares one."""
        raise NotImplementedError("webhook, or why not in `cannot`")
