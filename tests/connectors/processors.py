"""What the stand-ins of payment processors have in common for the conformance kit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from starlette.applications import Starlette

from sandbox.clearing_books import FEES, JOURNAL, TRANSFER
from sandbox.conformance.payments import PaymentsRemote
from sandbox.conformance.serving import served


class _Store(Protocol):
    denied: set[str]

    def pay(self, page: str, /) -> str: ...


S = TypeVar("S", bound=_Store)


class ProcessorRemote(PaymentsRemote, Generic[S]):
    """A stand-in behind an address, with a good key and one that is none."""

    key: ClassVar[str]
    wrong: ClassVar[str]
    denied: ClassVar[set[str]]
    """What the key of an account that nobody has set up may not read."""

    def __init__(self, address: str, store: S) -> None:
        self._address, self.store = address, store

    @classmethod
    def stand_in(cls) -> tuple[S, Starlette]:
        """A new one, and its API."""
        raise NotImplementedError

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        store, app = cls.stand_in()
        with served(app) as address:
            yield cls(address, store)

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        books = {"journal": JOURNAL, "fee_account": FEES, "payout_account": TRANSFER}
        return {"url": address, "api_key": self.key, **books}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "api_key": self.wrong}

    def secrets(self) -> list[str]:
        return [self.key, self.wrong]

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        with type(self).running() as bare:
            bare.store.denied = set(self.denied)
            yield bare

    def pay_link(self, url: str) -> str:
        return self.store.pay(url.rpartition("/")[2])
