"""The mark that an Odoo database carries: whose it is.

Odoo's own id of a database (`database.uuid`) can be read by administrators only, and a copy made by
PostgreSQL's tools keeps it. So the mark is a record of ours: a contact, archived so that nobody
meets it, whose reference nobody else's has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateways import errors
from gateways.errors import GatewayError
from gateways.odoo.client import OdooClient, Transport
from gateways.odoo.errors import SYSTEM

_MODEL = "res.partner"
_PREFIX = "c2c-environment/"
_TITLE = "Contract to Cash: "
_XID = "c2c.environment"
_DOMAIN: Sequence[Any] = (("ref", "=like", f"{_PREFIX}%"), ("active", "in", [True, False]))
_FIELDS = ("ref", "name")

LOOK_SECONDS = 60.0
"""A database that is exchanged behind the same address is noticed within this time."""


@dataclass(frozen=True)
class Mark:
    """`environment` is for people: what the environment that it belongs to is called."""

    id: str
    environment: str


def read(odoo: OdooClient) -> Mark | None:
    """The mark of this database; None where it has none. Raises GatewayError."""
    return _mark(odoo.search_read(_MODEL, _DOMAIN, _FIELDS, limit=2))


def write(odoo: OdooClient, mark: Mark) -> None:
    """Mark this database, in the place of the mark that it had. Raises GatewayError."""
    values = {"ref": f"{_PREFIX}{mark.id}", "name": f"{_TITLE}{mark.environment}"}
    odoo.load(_MODEL, [{"id": _XID, "active": False, **values}])


def remove(odoo: OdooClient) -> None:
    """This database belongs to no environment any more. Raises GatewayError."""
    rows = odoo.search_read(_MODEL, _DOMAIN, ["id"])
    odoo.write(_MODEL, [row["id"] for row in rows], {"ref": False})


class Marked:
    """A transport that speaks only to the database that carries a mark."""

    def __init__(
        self,
        transport: Transport,
        mark: str,
        *,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._mark = mark
        self._look_seconds = look_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._good_until = float("-inf")

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        """Raises GatewayError `other_database` where the database is another."""
        self._look()
        return self._transport.execute(model, method, ids, arguments)

    def close(self) -> None:
        self._transport.close()

    def _look(self) -> None:
        with self._lock:
            if self._clock() < self._good_until:
                return
            found = self._carried()
            if found is None or found.id != self._mark:
                raise errors.credentials(SYSTEM, "other_database", _difference(found))
            self._good_until = self._clock() + self._look_seconds

    def _carried(self) -> Mark | None:
        arguments = {"domain": list(_DOMAIN), "fields": list(_FIELDS), "limit": 2}
        try:
            return _mark(self._transport.execute(_MODEL, "search_read", [], arguments))
        except GatewayError as error:
            error.maybe_done = False  # whatever the caller asks for has not been sent
            raise


def _mark(rows: Sequence[Mapping[str, Any]]) -> Mark | None:
    if len(rows) != 1:
        return None
    [row] = rows
    return Mark(str(row["ref"]).removeprefix(_PREFIX), str(row["name"]).removeprefix(_TITLE))


def _difference(found: Mark | None) -> str:
    whose = f"belongs to environment {found.environment}" if found else "belongs to no environment"
    return (
        f"this database {whose} and not to ours: it is another, or a copy; nothing was done in it. "
        "Correct odoo.url and odoo.database, or see docs/environments.md"
    )
