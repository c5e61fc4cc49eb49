"""SQLite under the stand-in: one connection, one writer at a time, each call one transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from sandbox.odoo.domains import odoo_like
from sandbox.odoo.schema import JSON_TYPES, TO_MANY, Field, Schema, links_table

COLUMN_TYPES = {"float": "REAL", "monetary": "REAL"}
INTEGER_TYPES = ("integer", "boolean", "many2one", "many2one_reference")
OWN_TABLES = """
CREATE TABLE IF NOT EXISTS sandbox_xid (
    xid TEXT PRIMARY KEY, model TEXT NOT NULL, res_id INTEGER NOT NULL, noupdate INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS sandbox_xid_record ON sandbox_xid (model, res_id);
CREATE TABLE IF NOT EXISTS sandbox_key (
    digest TEXT PRIMARY KEY, login TEXT NOT NULL, name TEXT NOT NULL, expires TEXT);
CREATE TABLE IF NOT EXISTS sandbox_group (login TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sandbox_denied (
    login TEXT NOT NULL, model TEXT NOT NULL, operation TEXT NOT NULL,
    PRIMARY KEY (login, model, operation));
CREATE TABLE IF NOT EXISTS sandbox_mail (
    id INTEGER PRIMARY KEY, sent_at TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    subject TEXT NOT NULL, body TEXT NOT NULL, attachment TEXT NOT NULL, model TEXT NOT NULL,
    res_id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sandbox_settlement (
    id INTEGER PRIMARY KEY, move_id INTEGER NOT NULL, payment_id INTEGER, refund_id INTEGER,
    amount REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sandbox_settlement_move ON sandbox_settlement (move_id);
"""
"""Besides the models' tables: external ids, keys, rights, outgoing mails, and how much of an
invoice (`move_id`) a payment or a credit note settles, in the invoice's currency."""


class Database:
    """The connection and its lock. `path` None keeps everything in memory."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        self.connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None
        )
        self.connection.row_factory = sqlite3.Row
        self.connection.create_function("odoo_like", 3, odoo_like, deterministic=True)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.executescript(OWN_TABLES)

    def close(self) -> None:
        with self._lock:
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; the only way to touch the data."""
        with self._lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    def prepare(
        self, schemas: Mapping[str, Schema], computed: Mapping[str, AbstractSet[str]]
    ) -> None:
        """Create what is missing, so that an older file opens with newer models."""
        with self.transaction() as connection:
            for schema in schemas.values():
                _create_table(connection, schema, computed.get(schema.model, frozenset()))


def _create_table(
    connection: sqlite3.Connection, schema: Schema, computed: AbstractSet[str]
) -> None:
    fields = [
        field
        for field in schema.fields.values()
        if field.name not in computed and field.name not in ("id", "display_name")
    ]
    columns = {field.name: _column_type(field) for field in fields if field.type not in TO_MANY}
    listed = "".join(f', "{name}" {type_}' for name, type_ in columns.items())
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {schema.table} (id INTEGER PRIMARY KEY AUTOINCREMENT{listed})"
    )
    present = {row["name"] for row in connection.execute(f"PRAGMA table_info({schema.table})")}
    for name in columns.keys() - present:
        connection.execute(f'ALTER TABLE {schema.table} ADD COLUMN "{name}" {columns[name]}')
    for field in fields:
        if field.type == "many2many" and not field.mirror:
            _create_links(connection, schema, field)
        if field.type == "many2one" and not field.name.endswith("_uid"):
            connection.execute(
                f"CREATE INDEX IF NOT EXISTS ix_{schema.table}__{field.name}"
                f' ON {schema.table} ("{field.name}")'
            )


def _create_links(connection: sqlite3.Connection, schema: Schema, field: Field) -> None:
    table, _, _ = links_table(schema.model, field)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table}"
        " (this_id INTEGER, other_id INTEGER, PRIMARY KEY (this_id, other_id)) WITHOUT ROWID"
    )
    connection.execute(f"CREATE INDEX IF NOT EXISTS ix_{table} ON {table} (other_id)")


def _column_type(field: Field) -> str:
    if field.type in INTEGER_TYPES:
        return "INTEGER"
    return "TEXT" if field.type in JSON_TYPES else COLUMN_TYPES.get(field.type, "TEXT")
