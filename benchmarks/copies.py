"""Copies of a contract's records in the real Odoo, made in SQL: thousands in seconds.

Each copy has an order, a project with its hours, invoices with their lines, payments and a customer
of its own. What Odoo's tables refer to among each other is copied with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.remote import RealRemote

_TABLES = {
    "res_partner": "commercial_partner_id = (SELECT commercial_partner_id FROM res_partner p "
    "JOIN sale_order o ON o.partner_id = p.id WHERE o.origin = {origin})",
    "account_analytic_account": "id = (SELECT p.account_id FROM project_project p "
    "JOIN sale_order o ON o.project_id = p.id WHERE o.origin = {origin})",
    "project_project": "id = (SELECT project_id FROM sale_order WHERE origin = {origin})",
    "sale_order": "origin = {origin}",
    "account_move": "id IN (SELECT move_id FROM account_move_line WHERE partner_id IN "
    "({res_partner}))",
    "account_move_line": "move_id IN ({account_move})",
    "account_partial_reconcile": "debit_move_id IN ({account_move_line})",
    "account_analytic_line": "account_id IN ({account_analytic_account}) "
    "OR project_id IN ({project_project})",
}
"""Which rows are the contract's, each table behind those that it refers to."""

_OWN = {
    ("res_partner", "name"): "{column} || ' ' || n",
    ("res_partner", "complete_name"): "{column} || ' ' || n",
    ("sale_order", "origin"): "replace({column}, {old}, {new})",
    ("account_move", "invoice_origin"): "replace({column}, {old}, {new})",
    ("account_move", "name"): "{column} || '-' || n",
    ("account_move_line", "move_name"): "{column} || '-' || n",
}
"""What is a copy's own besides what it refers to; `n` is its number."""

_MARGIN = 100_000
"""Ids left free for what Odoo itself makes meanwhile."""


@dataclass(frozen=True)
class _Rows:
    """The contract's rows of a table, and where those of its copies are."""

    ids: tuple[int, ...]
    after: int

    def copied(self, column: str) -> str:
        """The id of a copy's row, in SQL."""
        span = max(self.ids) - min(self.ids) + 1
        return f"({self.after} + n * {span} + {column} - {min(self.ids)})"

    def of(self, number: int, row: int) -> int:
        span = max(self.ids) - min(self.ids) + 1
        return self.after + number * span + row - min(self.ids)

    @property
    def listed(self) -> str:
        return ", ".join(map(str, self.ids))


class Copies:
    """The copies of one contract, numbered from 0 and named by a tag."""

    def __init__(self, odoo: RealRemote, workflow_id: str, tag: str) -> None:
        self._odoo = odoo
        self._old = workflow_id.rpartition("/")[2]
        self._tag = tag
        self._rows: dict[str, _Rows] = {}
        for table, condition in _TABLES.items():
            known = {name: rows.listed for name, rows in self._rows.items()}
            where = condition.format(origin=f"'{workflow_id}'", **known)
            ids = self._lines(f"SELECT id FROM {table} WHERE {where}")
            if not ids:
                raise AssertionError(f"the contract has nothing in {table}")
            [last] = self._lines(f"SELECT max(id) FROM {table}")
            self._rows[table] = _Rows(tuple(map(int, ids)), int(last) + _MARGIN)

    def make(self, first: int, last: int) -> None:
        """Make the copies from `first` to before `last`."""
        for table, rows in self._rows.items():
            columns = self._columns(table)
            values = ", ".join(self._value(table, column) for column in columns)
            self._odoo.server.psql(
                f"INSERT INTO {table} (id, {', '.join(map(_quoted, columns))}) "
                f"SELECT {rows.copied('id')}, {values} "
                f"FROM {table}, generate_series({first}, {last - 1}) n WHERE id IN ({rows.listed})"
            )
            self._odoo.server.psql(f"ANALYZE {table}")

    def invoice(self, number: int, invoice: int) -> int:
        """The id of an invoice's copy."""
        return self._rows["account_move"].of(number, invoice)

    def _value(self, table: str, column: str) -> str:
        quoted = _quoted(column)
        if own := _OWN.get((table, column)):
            return own.format(column=quoted, old=f"'{self._old}'", new=f"'{self._tag}-' || n")
        target = self._rows.get(self._references(table).get(column, ""))
        if target is None:
            return quoted
        copied = target.copied(quoted)
        return f"CASE WHEN {quoted} IN ({target.listed}) THEN {copied} ELSE {quoted} END"

    def _columns(self, table: str) -> list[str]:
        return self._lines(
            "SELECT column_name FROM information_schema.columns "
            f"WHERE table_name = '{table}' AND column_name != 'id' AND is_generated = 'NEVER'"
        )

    def _references(self, table: str) -> dict[str, str]:
        """The columns of a table that refer to others, and to which."""
        rows = self._lines(
            "SELECT a.attname, c.confrelid::regclass FROM pg_constraint c "
            "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
            f"WHERE c.contype = 'f' AND c.conrelid = '{table}'::regclass"
        )
        return dict(row.split("|") for row in rows)

    def _lines(self, sql: str) -> list[str]:
        return self._odoo.server.psql(sql).splitlines()


def _quoted(column: str) -> str:
    return f'"{column}"'
