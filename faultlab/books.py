"""Odoo's own database, read by SQL: never through the product's client or the server's API."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from contracts.identifiers import INVOICE_ORIGINS, workflow_of_origin
from sandbox.real_odoo import RealOdoo

CUSTOMER, PAYMENT = "Acme ", "gw-"
"""How the names of the campaign's customers, and the references of its payments, begin."""
_CENT = Decimal("0.01")
_POSTED = "state NOT IN ('draft', 'canceled', 'rejected')"


@dataclass(frozen=True)
class Move:
    """An invoice or a credit note, by its workflow; amounts are positive, as Odoo shows them."""

    workflow_id: str
    kind: str
    state: str
    number: str
    untaxed: Decimal
    residual: Decimal

    @property
    def signed(self) -> Decimal:
        """Without tax, a credit note negative."""
        return -self.untaxed if self.kind == "out_refund" else self.untaxed


@dataclass(frozen=True)
class PostedPayment:
    """A payment that was not taken back; `way` is inbound or outbound."""

    reference: str
    way: str
    amount: Decimal


class Database(Protocol):
    """Runs a SELECT and returns its rows by column; raises OSError where nobody answers."""

    def rows(self, sql: str) -> list[dict[str, Any]]: ...

    def text(self, column: str) -> str: ...


class PostgresRows:
    """The real Odoo's PostgreSQL."""

    def __init__(self, odoo: RealOdoo) -> None:
        self._odoo = odoo

    def rows(self, sql: str) -> list[dict[str, Any]]:
        answer = self._odoo.psql(f"SELECT coalesce(json_agg(r), '[]') FROM ({sql}) r")
        found: list[dict[str, Any]] = json.loads(answer, parse_float=Decimal)
        return found

    def text(self, column: str) -> str:
        """A translated text, in the language that we write."""
        return f"({column}->>'en_US')"


class SqliteRows:
    """The stand-in's file, opened for reading only."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def rows(self, sql: str) -> list[dict[str, Any]]:
        connection = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=30)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql)]
        finally:
            connection.close()

    def text(self, column: str) -> str:
        return column


class Books:
    """What Odoo has of the campaign's contracts: its database knows no others."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def moves(self) -> list[Move]:
        """Every invoice and credit note with an origin of ours."""
        return [
            Move(
                workflow_id=workflow_of_origin(row["invoice_origin"]),
                kind=row["move_type"],
                state=row["state"],
                number=row["name"] or "",
                untaxed=_money(row["amount_untaxed"]),
                residual=_money(row["amount_residual"]),
            )
            for row in self._database.rows(
                "SELECT invoice_origin, move_type, state, name, amount_untaxed, amount_residual "
                "FROM account_move WHERE move_type IN ('out_invoice', 'out_refund') "
                f"AND invoice_origin LIKE '{INVOICE_ORIGINS}'"
            )
        ]

    def orders(self) -> dict[str, int]:
        """How many orders name a contract's workflow as their origin, cancelled ones too."""
        return self._counted(
            "SELECT origin AS name, count(*) AS number FROM sale_order "
            "WHERE origin LIKE 'contract/%' GROUP BY origin"
        )

    def projects(self) -> dict[str, int]:
        """How many projects have a name, archived ones too."""
        name = self._database.text("name")
        return self._counted(
            f"SELECT {name} AS name, count(*) AS number FROM project_project "
            f"WHERE {name} LIKE '%(%' GROUP BY {name}"
        )

    def customers(self) -> dict[str, int]:
        """How many customers have a name."""
        return self._counted(
            "SELECT name, count(*) AS number FROM res_partner "
            f"WHERE name LIKE '{CUSTOMER}%' GROUP BY name"
        )

    def payments(self) -> dict[str, int]:
        """How many payments stand under a reference; those taken back do not count."""
        return self._counted(
            "SELECT memo AS name, count(*) AS number FROM account_payment "
            f"WHERE memo LIKE '{PAYMENT}%' AND {_POSTED} GROUP BY memo"
        )

    def processor_payments(self, journal: int) -> list[PostedPayment]:
        """The payments of a journal."""
        return [
            PostedPayment(row["memo"], row["payment_type"], _money(row["amount"]))
            for row in self._database.rows(
                "SELECT memo, payment_type, amount FROM account_payment "
                f"WHERE journal_id = {journal:d} AND {_POSTED}"
            )
        ]

    def entries(self, journal: int) -> Counter[str]:
        """How many posted entries of a journal have a reference."""
        return Counter(
            self._counted(
                "SELECT ref AS name, count(*) AS number FROM account_move "
                f"WHERE journal_id = {journal:d} AND state = 'posted' AND ref IS NOT NULL "
                "GROUP BY ref"
            )
        )

    def balance(self, account: int) -> Decimal:
        """What stands on an account, in the company's currency."""
        [row] = self._database.rows(
            "SELECT sum(l.balance) AS balance FROM account_move_line l "
            "JOIN account_move m ON m.id = l.move_id "
            f"WHERE l.account_id = {account:d} AND m.state = 'posted'"
        )
        return _money(row["balance"])

    def closing_records(self) -> dict[str, int]:
        """How many closing records have a file name."""
        return self._counted(
            "SELECT name, count(*) AS number FROM ir_attachment "
            "WHERE res_model = 'sale.order' AND name LIKE '%-closing.json' GROUP BY name"
        )

    def documents(self) -> dict[str, int]:
        """How many links a project has, by its name."""
        name = self._database.text("p.name")
        return self._counted(
            f"SELECT {name} AS name, count(*) AS number FROM ir_attachment a "
            "JOIN project_project p ON p.id = a.res_id "
            f"WHERE a.res_model = 'project.project' AND a.type = 'url' GROUP BY {name}"
        )

    def handovers(self) -> dict[str, int]:
        """How many to-dos of one version a project has at most, by its name."""
        name = self._database.text("p.name")
        return self._counted(
            "SELECT name, max(number) AS number FROM ("
            f"SELECT {name} AS name, a.summary AS summary, count(*) AS number "
            "FROM mail_activity a JOIN ir_model m ON m.id = a.res_model_id "
            "JOIN project_project p ON p.id = a.res_id "
            f"WHERE m.model = 'project.project' GROUP BY {name}, a.summary) versions GROUP BY name"
        )

    def bank_lines(self) -> dict[str, int]:
        """How many lines of bank statements stand under a key."""
        return self._counted(
            "SELECT l.ref AS name, count(*) AS number FROM account_bank_statement_line x "
            "JOIN account_move l ON l.id = x.move_id GROUP BY l.ref"
        )

    def on_suspense(self) -> dict[str, int]:
        """How many items of a bank line's are on the suspense account, by the line's key."""
        return self._counted(
            "SELECT l.ref AS name, count(*) AS number FROM account_bank_statement_line x "
            "JOIN account_move l ON l.id = x.move_id "
            "JOIN account_journal j ON j.id = l.journal_id "
            "JOIN account_move_line i ON i.move_id = l.id "
            "AND i.account_id = j.suspense_account_id GROUP BY l.ref"
        )

    def open_of(self, invoices: Sequence[int]) -> dict[int, Decimal]:
        """What these invoices have open, by their ids in Odoo."""
        ids = ", ".join(map(str, invoices))
        sql = f"SELECT id, amount_residual FROM account_move WHERE id IN ({ids})"
        return {row["id"]: _money(row["amount_residual"]) for row in self._database.rows(sql)}

    def _counted(self, sql: str) -> dict[str, int]:
        return {row["name"]: int(row["number"]) for row in self._database.rows(sql)}


def _money(number: Any) -> Decimal:
    """Odoo keeps doubles in SQLite and numerics in PostgreSQL; both mean cents."""
    return Decimal(str(number or 0)).quantize(_CENT)
