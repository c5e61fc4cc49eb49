"""A Tryton of its own process on the loopback, with SQLite, and what people do there."""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import socket
import sqlite3
import subprocess
import sys
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import httpx
from c2c_tryton import CONNECTOR, TIMESHEETS
from c2c_tryton import timesheets as time
from c2c_tryton.api import day
from c2c_tryton.crm import OPPORTUNITY, PAGE

from gateways.crm.status import STATUS_LABELS
from sandbox.conformance.crm import CrmRemote, Deal, Line
from sandbox.conformance.remote import Answer
from sandbox.conformance.timesheets import TimesheetRemote
from sandbox.proxy import Request

DATABASE, USER, PASSWORD, WRONG = "c2c", "admin", "password-of-the-kit", "password-of-nobody"
_STARTED_WITHIN_SECONDS = 60.0
_MODULES = ("sale_opportunity", "timesheet")
_BIN = Path(sys.executable).parent
_NOBODY = itertools.count()


@contextlib.contextmanager
def tryton(folder: Path) -> Iterator[str]:
    """Install Tryton with its modules for opportunities and hours, and serve it; yields the
    address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, password = folder / "trytond.conf", folder / "password"
    config.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n"
    )
    password.write_text(PASSWORD)
    (folder / f"{DATABASE}.sqlite").touch()
    common = ["-c", str(config), "-d", DATABASE]
    with (folder / "log").open("wb") as log:
        subprocess.run(
            [_BIN / "trytond-admin", *common, "-u", *_MODULES, "--activate-dependencies"],
            env={**os.environ, "TRYTONPASSFILE": str(password)},
            input=b"\n",
            stdout=log,
            stderr=log,
            check=True,
            timeout=600,
        )
        server = subprocess.Popen([_BIN / "trytond", *common], stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, server)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = clock.monotonic() + _STARTED_WITHIN_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(address)
            return
        assert server.poll() is None, "trytond ended"
        assert clock.monotonic() < deadline, "trytond does not answer"
        clock.sleep(0.2)


class TrytonRemote(CrmRemote):
    """A firm's Tryton: a company, a salesperson, and deals as people make them by its buttons."""

    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {
        "without_setup": "Tryton needs nothing: a status is a note",
        "delete": "Tryton deletes no opportunity that was won",
        "refuse_writes": "Tryton refuses no note",
    }

    def __init__(self, address: str, folder: Path) -> None:
        self._address, self._path = address, folder / f"{DATABASE}.sqlite"
        self._http = httpx.Client(base_url=address, timeout=60)
        self._session = ""
        self._session = self._signed_in()
        self.context: dict[str, Any] = {}
        [self._unit] = self.call("product.uom.search", [["name", "=", "Unit"]], 0, 1, None)
        since = {"date": day(date(2020, 1, 1)), "rate": _decimal(Decimal(1))}
        euro = {"name": "Euro", "code": "EUR", "symbol": "€", "rates": [["create", [since]]]}
        [self._euro] = self.call("currency.currency.create", [euro])
        [self._country] = self.call("country.country.create", [{"name": "Belgium", "code": "BE"}])
        [party] = self.call("party.party.create", [{"name": "Northwind"}])
        [self.company] = self.call(
            "company.company.create",
            [{"party": party, "currency": self._euro, "timezone": "Europe/Brussels"}],
        )
        [seller] = self.call("party.party.create", [{"name": "Sam"}])
        self._email(seller, "sam@firm.example")
        [employee] = self.call(
            "company.employee.create", [{"party": seller, "company": self.company}]
        )
        groups = self.call("res.group.search", [], 0, 100, None)
        change = {
            "companies": [["add", [self.company]]],
            "company": self.company,
            "employees": [["add", [employee]]],
            "employee": employee,
            "groups": [["add", groups]],
        }
        self.call("res.user.write", [int(self._user)], change)
        self.context = {"company": self.company, "employee": employee}
        self._products: dict[str, int] = {}

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        return {
            "url": address,
            "database": DATABASE,
            "user": USER,
            "api_key": PASSWORD,
            "company": self.company,
        }

    def wrong_settings(self, address: str) -> dict[str, Any]:
        # Another user each time: after each wrong password of one user Tryton waits longer, and
        # refuses the seventh within five minutes as too many.
        return {**self.settings(address), "user": f"nobody-{next(_NOBODY)}", "api_key": WRONG}

    def secrets(self) -> list[str]:
        return [PASSWORD, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        return Answer(429, {"Retry-After": str(seconds)}, b"<title>429 Too Many Requests</title>")

    def end_sessions(self) -> None:
        self._sql("DELETE FROM ir_session WHERE id > ?", [0])
        self._session = ""

    # --- what people do ---------------------------------------------------------------------------

    def add(self, deal: Deal) -> str:
        deal_id = self._opportunity(deal)
        if deal.lines:
            self._quoted(deal_id, deal.lines)
        if deal.won:
            self.win(str(deal_id))
        if deal.closed_on is not None:
            self._set(deal_id, end_date=str(deal.closed_on))
        return str(deal_id)

    def add_many(self, count: int) -> list[str]:
        """As a migration makes them."""
        row = self._row(Deal(), self._party(Deal()))
        rows = [{**row, "description": f"Deal {number}"} for number in range(count)]
        made = self.call(f"{OPPORTUNITY}.create", rows)
        self._set(*made, state="won", end_date=str(self.now().date()))
        return [str(item) for item in made]

    def win(self, deal_id: str) -> None:
        """Its sale is confirmed; one without a sale is won as a migration makes it."""
        sales = self._sales(int(deal_id))
        for button in ("quote", "confirm") if sales else ():
            self.call(f"sale.sale.{button}", sales)
        if not sales:
            self._set(int(deal_id), state="won", end_date=str(self.now().date()))

    def reopen(self, deal_id: str) -> None:
        self._set(int(deal_id), state="converted")

    def edit(self, deal_id: str, text: str) -> None:
        """A won opportunity's own reference is what people may still change."""
        self.call(f"{OPPORTUNITY}.write", [int(deal_id)], {"reference": text})

    def add_late(self, deal: Deal, behind: timedelta) -> str:
        """Its stamp is of when its transaction began, and none of SQLite's lasts so long."""
        deal_id = self.add(deal)
        at = _stamp(self.now() - behind)
        self._set(int(deal_id), create_date=at, write_date=at)
        return deal_id

    def shown(self, deal_id: str) -> Mapping[str, str]:
        resource = ["resource", "=", f"{OPPORTUNITY},{deal_id}"]
        newest = [["id", "DESC"]]
        notes = self.call("ir.note.search_read", [resource], 0, 1, newest, ["message"])
        lines = [line.partition(": ") for note in notes for line in note["message"].splitlines()]
        said = {label: text for label, _, text in lines}
        return {name: said.get(label, "") for name, label in STATUS_LABELS.items()}

    def call(self, method: str, *params: Any) -> Any:
        """A call as the people's client makes it."""
        for _ in range(2):
            self._session = self._session or self._signed_in()
            body = {"id": 1, "method": f"model.{method}", "params": [*params, self.context]}
            headers = {"Authorization": self._session}
            answer = self._http.post(f"/{DATABASE}/rpc/", json=body, headers=headers)
            if answer.status_code != 401:
                break
            self._session = ""
        found = answer.raise_for_status().json()
        assert "result" in found, found
        return found["result"]

    def _signed_in(self) -> str:
        params = [USER, {"password": PASSWORD}, "en"]
        body = {"id": 1, "method": "common.db.login", "params": params}
        answer = self._http.post(f"/{DATABASE}/rpc/", json=body).raise_for_status().json()
        self._user, key, _ = answer["result"]
        return f"Session {base64.b64encode(f'{USER}:{self._user}:{key}'.encode()).decode()}"

    def _sql(self, query: str, *rows: Sequence[Any]) -> None:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            database.executemany(query, rows)

    def _set(self, *ids: int, **values: str) -> None:
        """Beside Tryton, which lets nobody do it: in its database."""
        every = {"write_date": _stamp(self.now()), **values}
        columns = ", ".join(f"{name} = ?" for name in every)
        query = f"UPDATE sale_opportunity SET {columns} WHERE id = ?"
        self._sql(query, *([*every.values(), deal_id] for deal_id in ids))

    def _row(self, deal: Deal, party: int) -> dict[str, Any]:
        return {
            "description": deal.title,
            "party": party,
            "currency": self._euro,
            "amount": _decimal(deal.value),
            "start_date": day(self.now().date()),
            **self.context,
        }

    def _opportunity(self, deal: Deal) -> int:
        row = self._row(deal, self._party(deal))
        [deal_id] = self.call(f"{OPPORTUNITY}.create", [row])
        self.call(f"{OPPORTUNITY}.opportunity", [deal_id])
        return int(deal_id)

    def _quoted(self, deal_id: int, lines: Sequence[Line]) -> None:
        self.call(f"{OPPORTUNITY}.convert", [deal_id])
        rows = [
            {
                "product": self._product(line),
                "unit": self._unit,
                "quantity": 1,
                "unit_price": _decimal(line.amount),
                "description": line.name,
            }
            for line in lines
        ]
        self.call("sale.sale.write", self._sales(deal_id), {"lines": [["create", rows]]})

    def _sales(self, deal_id: int) -> list[int]:
        origin = ["origin", "=", f"{OPPORTUNITY},{deal_id}"]
        return list(self.call("sale.sale.search", [origin], 0, 9, None))

    def _product(self, line: Line) -> int:
        if line.code not in self._products:
            template = {
                "name": line.name,
                "type": "service",
                "default_uom": self._unit,
                "sale_uom": self._unit,
                "salable": True,
                "list_price": _decimal(line.amount),
                "products": [["create", [{"suffix_code": line.code}]]],
            }
            self.call("product.template.create", [template])
            [found] = self.call("product.product.search", [["code", "=", line.code]], 0, 1, None)
            self._products[line.code] = found
        return self._products[line.code]

    def _party(self, deal: Deal) -> int:
        assert deal.country == "BE", "the one country that is set up"
        identifiers = [{"type": "eu_vat", "code": deal.vat_number}] if deal.vat_number else []
        [party] = self.call(
            "party.party.create",
            [
                {
                    "name": deal.customer,
                    "addresses": [["create", [{"country": self._country, "city": "Brussels"}]]],
                    "identifiers": [["create", identifiers]],
                }
            ],
        )
        if deal.email:
            self._email(party, deal.email)
        return int(party)

    def _email(self, party: int, email: str) -> None:
        """Tryton asks the network whether the domain is there, which nothing here may do."""
        row = {"party": party, "type": "other", "value": email}
        [found] = self.call("party.contact_mechanism.create", [row])
        self._sql("UPDATE party_contact_mechanism SET type = 'email' WHERE id = ?", [found])


class TrytonTimeRemote(TimesheetRemote):
    """The same Tryton, where people enter hours on a work."""

    connector = TIMESHEETS
    page_size = 20
    cannot: ClassVar = {
        "without_setup": "Tryton needs nothing",
        "withdraw": "Tryton knows no approval",
    }
    tells_deletions = False

    def __init__(self, firm: TrytonRemote) -> None:
        self._firm = firm
        [party] = firm.call("party.party.create", [{"name": "Petra Developer"}])
        firm._email(party, "petra@northwind.example")
        row = {"party": party, "company": firm.company}
        [self._petra] = firm.call("company.employee.create", [row])
        work = {"name": "ERP roll-out", "company": firm.company}
        [self._work] = firm.call("timesheet.work.create", [work])

    @property
    def address(self) -> str:
        return self._firm.address

    def settings(self, address: str) -> dict[str, Any]:
        return self._firm.settings(address)

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return self._firm.wrong_settings(address)

    def secrets(self) -> list[str]:
        return self._firm.secrets()

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        return self._firm.rate_limited(seconds, request)

    def end_sessions(self) -> None:
        self._firm.end_sessions()

    @property
    def person_id(self) -> str:
        return str(self._petra)

    # --- what people do ---------------------------------------------------------------------------

    def log(self, hours: str, on: date, *, note: str = "") -> str:
        row = {
            "employee": self._petra,
            "company": self._firm.company,
            "work": self._work,
            "date": day(on),
            "duration": _span(hours),
            "description": note,
        }
        [line] = self._firm.call(f"{time.LINE}.create", [row])
        return str(line)

    def approve(self, *entries: str) -> None:
        """Nobody approves anything."""

    def correct(self, entry: str, hours: str) -> None:
        self._firm.call(f"{time.LINE}.write", [int(entry)], {"duration": _span(hours)})

    def delete(self, entry: str) -> None:
        self._firm.call(f"{time.LINE}.delete", [int(entry)])


def _span(hours: str) -> dict[str, Any]:
    return {"__class__": "timedelta", "seconds": float(Decimal(hours) * 3_600)}


def _stamp(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(" ")


def _decimal(value: Decimal) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": str(value)}
