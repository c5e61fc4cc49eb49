"""What every request to Odoo says of itself, and the request that never shares a call."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

from gateways.errors import GatewayError
from gateways.odoo import errors

T = TypeVar("T")

Body = tuple[list[int], dict[str, Any]]
"""What one call holds: ids, and arguments by name."""


class MakeCall(Protocol):
    """Makes one call and returns what `parse` makes of its answer. Raises GatewayError.

    An error that `parse` raises counts as the call's own failure.
    """

    def __call__(self, model: str, method: str, body: Body, parse: Callable[[Any], T]) -> T: ...


class Request(ABC):
    """What one caller asks of Odoo.

    Requests may share a call if their keys are equal: model, method, context (hence company and
    mode) and whatever else a call holds only once. No two requests of one call may have one of
    `records` in common. `rows` and `characters` say how much of a call's room it takes.
    """

    key: Hashable | None = None
    """None: it shares no call and need not wait for another one."""
    one_at_a_time: bool = False
    """Calls of its key never overlap, even where requests share no calls."""
    low_priority: bool = False
    """It waits while other requests wait or are in flight."""
    first_batch_size: int = sys.maxsize
    """How many share a call until the speed of Odoo is known."""
    max_batch_size: int = sys.maxsize
    records: frozenset[Hashable] = frozenset()
    rows: int = 1
    characters: int = 0

    def __init__(self, model: str, method: str, arguments: Mapping[str, Any]) -> None:
        """`arguments` are those that all requests of a call have in common, `context` included."""
        self.model = model
        self.method = method
        self.arguments = arguments

    @abstractmethod
    def send(self, requests: Sequence[Self], call: MakeCall, deadline: float) -> list[Any]:
        """Send these requests, of which this is the first, together.

        Returns for each its own answer or its own GatewayError. After `deadline`, by the monotonic
        clock, it changes nothing in Odoo any more. Raises GatewayError for a failure that it cannot
        assign to single requests.
        """

    def failed_requests(
        self, requests: Sequence[Self], error: BaseException
    ) -> dict[int, GatewayError]:
        """The requests, by position, that certainly caused the error, each with an error of its
        own. Empty where that cannot be said."""
        return {}

    def _key(self, *more: str) -> Hashable:
        # As text: 1, 1.0 and True are equal in Python, and lists have no hash.
        arguments = json.dumps(self.arguments)
        return (type(self), self.model, self.method, arguments, *more)


class OneCallRequest(Request):
    """A request that is merged with others into one call."""

    def send(self, requests: Sequence[Self], call: MakeCall, deadline: float) -> list[Any]:
        body = self.merge(requests)
        return call(self.model, self.method, body, lambda answer: self.divide(requests, answer))

    @abstractmethod
    def merge(self, requests: Sequence[Self]) -> Body:
        """The one call for all of these."""

    @abstractmethod
    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        """Each request's own part of the answer, or its own GatewayError.

        Raises GatewayError where the answer is malformed or cannot be divided.
        """


class Single(OneCallRequest):
    """Any method. It shares its call with nobody."""

    def __init__(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> None:
        super().__init__(model, method, arguments)
        self.ids = list(ids)

    def merge(self, requests: Sequence[Self]) -> Body:
        return self.ids, dict(self.arguments)

    def divide(self, requests: Sequence[Self], answer: Any) -> list[Any]:
        return [answer]


def rows_of(answer: Any) -> list[dict[str, Any]]:
    """The rows that a read answered. Raises GatewayError where the answer is no list."""
    if not isinstance(answer, list):
        raise errors.unexpected("Odoo answered a read with something that is no list.")
    return answer


def are_ids(answer: Any) -> bool:
    return isinstance(answer, list) and all(type(item) is int for item in answer)


def without_duplicates(lists: Iterable[Sequence[Any]]) -> list[Any]:
    """The items of all lists in one, in the order they first appear."""
    return list(dict.fromkeys(item for items in lists for item in items))
