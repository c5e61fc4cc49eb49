"""The stand-in's data and the calls on it: users, keys, rights and one transaction a call."""

from __future__ import annotations

import hashlib
import inspect
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import MethodType
from typing import Any

from sandbox.odoo import (
    attachments,
    companies,
    crm,
    expenses,
    invoices,
    masterdata,
    merging,
    messages,
    payments,
    projects,
    reversals,
    sales,
    statements,
    timesheets,
    todos,
)
from sandbox.odoo.database import Database
from sandbox.odoo.errors import AccessError, NotFound, Unauthorized, Unprocessable
from sandbox.odoo.loading import load
from sandbox.odoo.mails import Mail, mails_of
from sandbox.odoo.records import SUPERUSER, Env, Model
from sandbox.odoo.schema import schemas
from sandbox.odoo.seed import seed

OPERATIONS = ("read", "write", "create", "unlink")
LOCK_DATES = ("fiscalyear_lock_date", "sale_lock_date", "tax_lock_date", "hard_lock_date")
MODULES = (
    *(attachments, crm, expenses, invoices, masterdata, merging, messages, payments, projects),
    *(reversals, sales, timesheets, todos),
    statements,  # it adds to what invoices has
)

for module in MODULES:
    Env.models |= module.MODELS


def _utc_now() -> datetime:
    return datetime.now(UTC)


class OdooStore:
    """All of the stand-in behind its HTTP face. `path` None keeps everything in memory.

    `clock` gives the time of records, due dates and expiries; tests may move it. While
    `mail_server_up` is false no mail goes out, and the notifications say so.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], datetime] = _utc_now) -> None:
        self.path = path
        self.clock = clock
        self.mail_server_up = True
        self._database = Database(path)
        self._database.prepare(schemas(), _computed_fields())
        with self._database.transaction() as connection:
            env = Env(connection, SUPERUSER, {}, clock())
            if not env.execute("SELECT 1 FROM res_company"):
                seed(env)
                env.flush()
            elif env["res.company"].find([], order="id") != list(companies.BOOKS):
                raise ValueError(f"{path} is of an older version of the stand-in: delete it")

    def close(self) -> None:
        self._database.close()

    # Calls.

    def call(self, uid: int, model: str, method: str, body: dict[str, Any]) -> Any:
        """One JSON-2 call as one transaction."""
        now = self.clock()  # as PostgreSQL's now(): when the transaction began, lock or no lock
        with self._database.transaction() as connection:
            env = Env(connection, uid, dict(body.pop("context", None) or {}), now)
            env.mail_server_up = self.mail_server_up
            self._load_rights(env)
            _check_companies(env)
            return _dispatch(env, model, method, body)

    def authenticate(self, key: str) -> int:
        """The user of an API key; Unauthorized if it is unknown or has expired."""
        sql = (
            "SELECT res_users.id, sandbox_key.expires FROM sandbox_key"
            " JOIN res_users ON res_users.login = sandbox_key.login"
            " WHERE digest = ? AND res_users.active"
        )
        with self._database.transaction() as connection:
            row = connection.execute(sql, (_digest(key),)).fetchone()
        if row is None or (row["expires"] and row["expires"] <= self.clock().isoformat()):
            raise Unauthorized("Invalid apikey")
        return int(row["id"])

    def _load_rights(self, env: Env) -> None:
        login = env["res.users"].row(env.uid)["login"]
        rows = env.execute("SELECT name FROM sandbox_group WHERE login = ?", (login,))
        env.groups = {row["name"] for row in rows}
        rows = env.execute("SELECT model, operation FROM sandbox_denied WHERE login = ?", (login,))
        env.denied = {(row["model"], row["operation"]) for row in rows}

    # Administration, for tests and the demo.

    def issue_key(self, login: str, *, key: str = "", expires: datetime | None = None) -> str:
        """Give a user one more API key."""
        key = key or secrets.token_hex(20)
        text = expires.astimezone(UTC).isoformat() if expires else None
        with self._database.transaction() as connection:
            self._user_id(login)
            connection.execute(
                "INSERT OR REPLACE INTO sandbox_key VALUES (?, ?, 'sandbox', ?)",
                (_digest(key), login, text),
            )
        return key

    def set_key_expiry(self, login: str, expires: datetime | None) -> None:
        """Let all keys of a user expire at that time; None means never."""
        text = expires.astimezone(UTC).isoformat() if expires else None
        with self._database.transaction() as connection:
            self._user_id(login)
            connection.execute("UPDATE sandbox_key SET expires = ? WHERE login = ?", (text, login))

    def deny(self, login: str, model: str, operations: tuple[str, ...] = OPERATIONS) -> None:
        """Take rights on a model from a user."""
        if model not in schemas() or not set(operations) <= set(OPERATIONS):
            raise ValueError(f"unknown model or operation: {model} {operations}")
        with self._database.transaction() as connection:
            self._user_id(login)
            for operation in operations:
                connection.execute(
                    "INSERT OR IGNORE INTO sandbox_denied VALUES (?, ?, ?)",
                    (login, model, operation),
                )

    def allow(self, login: str, model: str) -> None:
        """Give back what `deny` took."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM sandbox_denied WHERE login = ? AND model = ?", (login, model)
            )

    def set_lock_date(self, name: str, day: str | None) -> None:
        """Set one of the company's lock dates; None takes it away."""
        if name not in LOCK_DATES:
            raise ValueError(f"not a lock date: {name}; one of {', '.join(LOCK_DATES)}")
        with self._database.transaction() as connection:
            env = Env(connection, SUPERUSER, {}, self.clock())
            env["res.company"].put([companies.MAIN_COMPANY], {name: day})

    def mails(self) -> list[Mail]:
        """Outgoing mails, oldest first."""
        with self._database.transaction() as connection:
            return mails_of(connection)

    def _user_id(self, login: str) -> int:
        sql = "SELECT id FROM res_users WHERE login = ?"
        row = self._database.connection.execute(sql, (login,)).fetchone()
        if row is None:
            raise ValueError(f"no such user: {login}")
        return int(row["id"])


def _check_companies(env: Env) -> None:
    wanted = set(env.context.get("allowed_company_ids") or [])
    if wanted - set(env["res.users"].links(env.uid, "company_ids")):
        raise AccessError("Access to unauthorized or invalid companies.")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _computed_fields() -> dict[str, set[str]]:
    computed = {}
    for model, schema in schemas().items():
        cls = Env.models.get(model, Model)
        computed[model] = {
            field.name
            for field in schema.fields.values()
            if field.related or hasattr(cls, f"compute_{field.name}")
        }
    return computed


def _method(model: Model, name: str) -> Any:
    """A model's method; `load` stands beside the models, since it writes several at once."""
    return MethodType(load, model) if name == "load" else getattr(model, name, None)


def _dispatch(env: Env, model: str, method: str, body: dict[str, Any]) -> Any:
    """Find the method and call it with its arguments by name, as the JSON-2 controller does."""
    if model not in schemas():
        raise NotFound(f"the model {model!r} does not exist")
    if method.startswith("_"):
        raise AccessError(
            f"Private methods (such as '{model}.{method}') cannot be called remotely."
        )
    function = _method(env[model], method)
    kind = getattr(function, "kind", None)
    if function is None or kind is None:
        raise NotFound(f"The method '{model}.{method}' does not exist")
    ids = body.pop("ids", None) or []
    if kind == "model" and ids:
        raise Unprocessable(f"cannot call {model}.{method} with ids")
    positional = [ids] if kind == "records" else []
    try:
        inspect.signature(function).bind(*positional, **body)
    except TypeError as error:
        raise Unprocessable(str(error)) from None
    return function(*positional, **body)
