"""How workflows are reached: by Temporal, or from elsewhere through an application that does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pydantic import BaseModel
from temporalio.client import Client

from starters.client.errors import OnlyOnTemporal

if TYPE_CHECKING:
    from contracts.bank.file import BankFileView
    from starters.client.event_rows import EventRow
    from starters.client.listing import Listed
    from starters.client.protocol import Query, Update

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Attempt:
    """An activity that failed and is tried again by itself: in which workflow, how often it was
    tried, why it failed last, and when it is next (aware; None while it runs)."""

    workflow_id: str
    activity: str
    attempt: int
    failure: str
    next_at: datetime | None


class Remote(ABC):
    """The calls of this package that are not by Temporal; each raises what `calls` does."""

    @abstractmethod
    async def query(self, workflow_id: str, question: Query[T], argument: object = None) -> T:
        """What a workflow answers."""

    @abstractmethod
    async def update(
        self, workflow_id: str, message: Update[M, T], argument: M, request_id: str
    ) -> T:
        """Send a workflow an Update, as whoever is signed in there."""

    @abstractmethod
    async def trying(self, workflow_id: str) -> list[Attempt]:
        """What a workflow tries again at the moment."""

    @abstractmethod
    async def bank_files(
        self,
        *,
        only_open: bool,
        legal_entity: str,
        limit: int,
        unreadable: Callable[[str, Exception], None] | None = None,
    ) -> list[BankFileView]:
        """Files of banks, the newest first."""

    @abstractmethod
    async def events(
        self, *, source: str, outcome: str, needs_person: bool, day: date | None, limit: int
    ) -> Listed[EventRow]:
        """What other systems sent, the newest first."""


Connection: TypeAlias = Client | Remote


def temporal_of(connection: Connection) -> Client:
    """Temporal's client. Raises OnlyOnTemporal."""
    if isinstance(connection, Remote):
        raise OnlyOnTemporal("this works on Temporal only: leave out --api and C2C_API")
    return connection
