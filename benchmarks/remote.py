"""The Odoo that contenders work on: address, keys, SQL, and the calls it was sent.

Calls are counted where they arrive, not where they are made, so that nobody counts for himself:
in the real Odoo's log (which also has the moment each ended and the seconds it took), in the
stand-in by a fault rule that does nothing.
"""

from __future__ import annotations

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gateways.odoo import OdooClient, connect
from gateways.secrets import Secret
from sandbox import real_odoo
from sandbox.odoo.app import DATABASE
from sandbox.real_odoo import RealOdoo
from sandbox.server import Sandbox

_ENTRY = re.compile(
    r"^(?P<at>\S+ \S+) \d+ INFO \S+ werkzeug: .*"
    r'"POST /json/2/(?P<model>[^/ ]+)/(?P<method>[^/ ?]+)\S* HTTP/[\d.]+" (?P<status>\d+)'
    r"(?: - (?P<queries>\d+) (?P<sql>[\d.]+) (?P<other>[\d.]+))?"
)

_QUIET_SECONDS, _QUIET_WITHIN_SECONDS = 1.5, 600


@dataclass(frozen=True)
class Call:
    """One call as Odoo logged it: when it ended (Unix time), and the seconds it took there."""

    model: str
    method: str
    status: int  # of HTTP; 0 on the stand-in
    ended_at: float
    seconds: float


def calls_in(lines: Iterable[str]) -> list[Call]:
    """The calls that a log tells of; Odoo writes it in UTC."""
    found = (_ENTRY.match(line) for line in lines)
    return [_call(entry) for entry in found if entry]


def _call(entry: re.Match[str]) -> Call:
    ended = datetime.strptime(entry["at"], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
    seconds = float(entry["sql"] or 0) + float(entry["other"] or 0)
    return Call(entry["model"], entry["method"], int(entry["status"]), ended.timestamp(), seconds)


@dataclass(frozen=True)
class Tally:
    """The records of some contracts, found by what their names and origins have in common.

    `ordered` and `invoiced` are totals without tax, of confirmed orders and posted invoices.
    """

    customers: int
    projects: int
    milestones: int
    reached: int
    tasks: int
    confirmed: int
    ordered: Decimal
    drafts: int
    posted: int
    sent: int
    invoiced: Decimal


class Remote(ABC):
    """An Odoo with the users c2c, accountant, pm and admin."""

    url: str
    database: str
    keys: Mapping[str, Path]

    def client(self, login: str = "c2c") -> OdooClient:
        """A client of ours as one of the users, for what is prepared and checked."""
        return connect(self.url, self.database, Secret.file(self.keys[login]))

    def key(self, login: str = "c2c") -> str:
        return self.keys[login].read_text()

    def calls(self) -> Counter[str]:
        """The calls that arrived so far, by `model.method`."""
        return Counter(f"{call.model}.{call.method}" for call in self.logged())

    @abstractmethod
    def logged(self) -> list[Call]:
        """Every call so far in the order they ended; on the stand-in only those of c2c."""

    async def quiet(self, seconds: float = _QUIET_SECONDS) -> None:
        """Wait until no call has ended for so long. Raises TimeoutError."""
        async with asyncio.timeout(_QUIET_WITHIN_SECONDS):
            seen, since = -1, time.monotonic()
            while time.monotonic() - since < seconds:
                found = len(self.logged())
                if found != seen:
                    seen, since = found, time.monotonic()
                await asyncio.sleep(0.1)

    @abstractmethod
    def tally(self, tag: str) -> Tally:
        """The records whose names or origins contain the tag; asked beside the API."""


class RealRemote(Remote):
    """The real Odoo 19."""

    def __init__(self, server: RealOdoo) -> None:
        self.server = server
        self.url, self.database, self.keys = server.url, server.database, server.keys

    def logged(self) -> list[Call]:
        with self.server.log.open(errors="replace") as lines:
            return calls_in(lines)

    def tally(self, tag: str) -> Tally:
        row = self.server.psql(_TALLY.format(like=f"'%{tag}%'")).split("|")
        kinds = (field.type for field in fields(Tally))
        return Tally(*(_KINDS[kind](item) for kind, item in zip(kinds, row, strict=True)))


_KINDS: dict[Any, Callable[[str], Any]] = {"int": int, "Decimal": Decimal}

# The columns in the order of Tally's fields.
_TALLY = """
    SELECT (SELECT count(*) FROM res_partner WHERE name LIKE {like}),
           (SELECT count(*) FROM project_project WHERE name->>'en_US' LIKE {like}),
           p.milestones, p.reached,
           (SELECT count(*) FROM project_task t JOIN project_project p ON p.id = t.project_id
             WHERE p.name->>'en_US' LIKE {like}),
           o.confirmed, o.ordered, m.drafts, m.posted, m.sent, m.invoiced
      FROM (SELECT count(*) AS milestones, count(*) FILTER (WHERE m.is_reached) AS reached
              FROM project_milestone m JOIN project_project p ON p.id = m.project_id
             WHERE p.name->>'en_US' LIKE {like}) p,
           (SELECT count(*) AS confirmed, coalesce(sum(amount_untaxed), 0) AS ordered
              FROM sale_order WHERE origin LIKE {like} AND state = 'sale') o,
           (SELECT count(*) FILTER (WHERE state = 'draft') AS drafts,
                   count(*) FILTER (WHERE state = 'posted') AS posted,
                   count(*) FILTER (WHERE is_move_sent) AS sent,
                   coalesce(sum(amount_untaxed) FILTER (WHERE state = 'posted'), 0) AS invoiced
              FROM account_move WHERE invoice_origin LIKE {like}) m
"""


class SandboxRemote(Remote):
    """The stand-in: to see that a benchmark works, not how fast anything is."""

    def __init__(self, sandbox: CountingSandbox) -> None:
        self._sandbox = sandbox
        self.url, self.database = sandbox.url, DATABASE
        self.keys = {login: sandbox.key_file(login) for login in sandbox.keys}
        self._admin = self.client("admin")

    def logged(self) -> list[Call]:
        return list(self._sandbox.logged)

    def tally(self, tag: str) -> Tally:
        like = f"%{tag}%"
        projects = [row["id"] for row in self._all("project.project", "name", like)]
        orders = self._all("sale.order", "origin", like, "state", "amount_untaxed")
        milestones = self._within("project.milestone", projects, "is_reached")
        fields = ("state", "amount_untaxed", "is_move_sent")
        moves = self._all("account.move", "invoice_origin", like, *fields)
        confirmed = [row for row in orders if row["state"] == "sale"]
        posted = [row for row in moves if row["state"] == "posted"]
        return Tally(
            customers=len(self._all("res.partner", "name", like)),
            projects=len(projects),
            milestones=len(milestones),
            reached=sum(row["is_reached"] for row in milestones),
            tasks=len(self._within("project.task", projects)),
            confirmed=len(confirmed),
            ordered=_total(confirmed),
            drafts=sum(row["state"] == "draft" for row in moves),
            posted=len(posted),
            sent=sum(row["is_move_sent"] for row in moves),
            invoiced=_total(posted),
        )

    def _all(self, model: str, field: str, like: str, *fields: str) -> list[dict[str, Any]]:
        return self._admin.search_read(model, [(field, "=like", like)], ["id", *fields])

    def _within(self, model: str, projects: list[int], *fields: str) -> list[dict[str, Any]]:
        return self._admin.search_read(model, [("project_id", "in", projects)], ["id", *fields])


def _total(rows: Iterable[Mapping[str, Any]]) -> Decimal:
    return sum((Decimal(str(row["amount_untaxed"])) for row in rows), Decimal(0))


class CountingSandbox(Sandbox):
    """Notes the calls of the user c2c, whoever uses its key."""

    def app(self) -> ASGIApp:
        self.logged: list[Call] = []
        inner, ours = super().app(), f"Bearer {self.keys['c2c']}".encode()

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            started = time.time()
            await inner(scope, receive, send)
            parts = str(scope.get("path", "")).split("/")
            if len(parts) == 5 and (b"authorization", ours) in scope.get("headers", []):
                ended = time.time()
                self.logged.append(Call(parts[3], parts[4], 0, ended, ended - started))

        return counting


@contextmanager
def real_remote(*, workers: int) -> Iterator[Remote]:
    """A real Odoo on a fresh database, with so many processes (0: one, with threads)."""
    with real_odoo.start(workers=workers) as server:
        remote = RealRemote(server)
        # Debian's wkhtmltopdf makes one PDF a run, as administrators of such an Odoo would tell it.
        remote.client("admin").call(
            "ir.config_parameter", "set_param", key="account.pdf_generation_batch", value="0"
        )
        yield remote


@contextmanager
def sandbox_remote(folder: Path) -> Iterator[Remote]:
    sandbox = CountingSandbox(folder)
    with sandbox:
        yield SandboxRemote(sandbox)
