"""Lists of a payment processor's objects, page by page."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from contracts.model import JsonObject
from gateways.errors import GatewayError
from gateways.remote_api import Refusal, RemoteApi


class ListPage(NamedTuple):
    """Objects, the newest first, the mark that the next page begins behind ("": this was the last),
    and the processor's own time."""

    rows: list[JsonObject]
    next: str
    as_of: datetime


class ProcessorApi(RemoteApi):
    """The API of a payment processor; a list that is read whole has `max_pages` at most."""

    max_pages: ClassVar[int]

    @abstractmethod
    def page(self, kind: str, after: str = "", **params: Any) -> ListPage:
        """A page of the objects of a kind, such as `refunds`."""

    def every(self, kind: str, **params: Any) -> Iterator[JsonObject]:
        """All objects of a kind that fit, in bounds."""
        after = ""
        for _ in range(self.max_pages):
            found = self.page(kind, after, **params)
            yield from found.rows
            after = found.next
            if not after:
                return
        raise self.unexpected(f"a list of more than {self.max_pages} pages of {kind}")

    def not_there(self, refusal: Refusal) -> GatewayError:
        """The processor has no such object."""
        return self.for_people("payment_not_found", refusal, field="payment")
