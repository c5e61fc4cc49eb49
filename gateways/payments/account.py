"""What accounts at payment processors have in common."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from contracts.model import JsonObject
from contracts.problems import Problem
from contracts.processors import Change, Changes, LinkRequest, PaymentLink
from gateways.errors import FailureKind, GatewayError, business
from gateways.payments.lists import ListPage, ProcessorApi
from gateways.payments.objects import INVOICE_FIELD, NUMBER_FIELD, link_of

A = TypeVar("A", bound=ProcessorApi)


def link_key(request: LinkRequest) -> str:
    """Under which the page of an invoice is made once. Processors take keys of 128 letters at most,
    and an invoice's workflow may have a longer name."""
    return hashlib.sha256(f"{request.invoice}/{request.amount}".encode()).hexdigest()


class Account(ABC, Generic[A]):
    """One account, which may have other uses: what names none of our invoices stays.

    Its key is to read what is listed in `reads`; `key_name` is what people call such a key.
    """

    reads: ClassVar[Iterable[str]]
    key_name: ClassVar[str]

    def __init__(self, api: A, *, system: str, link_words: str) -> None:
        self._api = api
        self._system = system
        self._link_words = link_words

    @property
    def system(self) -> str:
        return self._system

    def close(self) -> None:
        self._api.close()

    def changed(self, since: datetime, after: str = "") -> Changes:
        page = self._events(since, after)
        found = (self._change(row) for row in page.rows)
        changes = [item for item in found if item is not None]
        return Changes(changes=changes, as_of=page.as_of, next=page.next)

    def create_link(self, request: LinkRequest) -> PaymentLink:
        named = {INVOICE_FIELD: request.invoice, NUMBER_FIELD: request.number}
        try:
            url = self._new_link(request, named, link_key(request))
        except GatewayError as error:
            if error.kind is not FailureKind.BUSINESS:
                raise
            raise business(self._system, "payment_link_refused", error.message) from None
        return link_of(url, self._link_words, self._api.unexpected)

    def missing_setup(self) -> list[Problem]:
        """A key may lack the right to read something."""
        return [problem for path in self.reads for problem in self._unreadable(path)]

    def ensure_setup(self) -> list[Problem]:
        """Rights are given in the processor's dashboard."""
        return self.missing_setup()

    def _unreadable(self, path: str) -> Iterator[Problem]:
        try:
            self._api.page(path, limit=1)
        except GatewayError as error:
            if error.code != "access_denied":
                raise
            yield Problem(
                code="access_denied",
                field="api_key",
                value=path,
                expected=f"{self.key_name} that may read {path.replace('_', ' ')}",
            )

    # --- what a processor knows ---------------------------------------------------------------

    @abstractmethod
    def _events(self, since: datetime, after: str) -> ListPage:
        """A page of its events."""

    @abstractmethod
    def _change(self, row: JsonObject) -> Change | None:
        """An event as a change; None for one that concerns nobody here."""

    @abstractmethod
    def _new_link(self, request: LinkRequest, named: Mapping[str, str], key: str) -> object:
        """The address of a new page to pay on, which carries the names; made once for each key."""
