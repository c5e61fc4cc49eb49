"""A small ORM: environments, models, reading, writing and the order in which values follow.

A model class adds three things to its schema: defaults for new records, rules around writing, and
`recompute`, which brings stored values up to date after something they depend on has changed.
A method `compute_<field>` makes that field computed on reading and not stored.
"""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, TypeVar, cast
from zoneinfo import ZoneInfo

from sandbox.odoo.domains import EVERYTHING, Condition, compile_domain
from sandbox.odoo.errors import (
    AccessError,
    CheckViolation,
    MissingError,
    MissingRequired,
    ValidationError,
)
from sandbox.odoo.schema import JSON_TYPES, NUMBERS, TO_MANY, Field, Schema, links_table, schemas

Row = dict[str, Any]
Values = dict[str, Any]
Domain = list[Any]
Method = TypeVar("Method", bound=Callable[..., Any])

SUPERUSER = 1
STAMPS = ("create_uid", "create_date", "write_uid", "write_date")
DENIED = {"read": "access", "write": "modify", "create": "create", "unlink": "delete"}


def on_records(method: Method) -> Method:
    """Callable over JSON-2 with ids."""
    method.kind = "records"  # type: ignore[attr-defined]
    return method


def on_model(method: Method) -> Method:
    """Callable over JSON-2 without ids."""
    method.kind = "model"  # type: ignore[attr-defined]
    return method


def rounded(value: float | Decimal, decimals: int) -> float:
    """Half up, on the decimal the number prints as."""
    quantum = Decimal(1).scaleb(-decimals)
    return float(Decimal(str(value)).quantize(quantum, ROUND_HALF_UP))


class Env:
    """One call: who calls, in what context and when, on the call's transaction."""

    models: ClassVar[dict[str, type[Model]]] = {}

    def __init__(
        self, connection: sqlite3.Connection, uid: int, context: dict[str, Any], now: datetime
    ) -> None:
        self.connection = connection
        self.uid = uid
        self.context = context
        self.now = now
        self.denied: set[tuple[str, str]] = set()
        self.groups: set[str] = set()
        self.mail_server_up = True
        self._dirty: dict[tuple[str, int], None] = {}

    def __getitem__(self, model: str) -> Model:
        return self.models.get(model, Model)(self, schemas()[model])

    @property
    def timestamp(self) -> str:
        return self.now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

    @property
    def zone(self) -> ZoneInfo:
        name = self.context.get("tz") or (self.uid and self["res.users"].row(self.uid)["tz"])
        return ZoneInfo(name or "UTC")

    @property
    def today(self) -> date:
        """The calendar date where the user is."""
        return self.now.astimezone(self.zone).date()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        return self.connection.execute(sql, parameters).fetchall()

    def with_context(self, **changes: Any) -> Env:
        """The same call under another context; pending recomputations are shared."""
        other = Env(self.connection, self.uid, {**self.context, **changes}, self.now)
        other.denied, other.groups, other._dirty = self.denied, self.groups, self._dirty
        other.mail_server_up = self.mail_server_up
        return other

    def touch(self, model: str, ids: Iterable[int]) -> None:
        """Note that these records' stored values may be out of date."""
        for record_id in ids:
            self._dirty[model, record_id] = None

    def flush(self) -> None:
        """Recompute until nothing is out of date."""
        while self._dirty:
            model, record_id = next(iter(self._dirty))
            del self._dirty[model, record_id]
            if self[model].exists([record_id]):
                self[model].recompute(record_id)

    def forget(self) -> None:
        """Drop pending recomputations, after their cause was rolled back."""
        self._dirty.clear()

    def xid(self, name: str) -> int | None:
        """The record behind an external id, if there is one."""
        rows = self.execute("SELECT res_id FROM sandbox_xid WHERE xid = ?", (name,))
        return rows[0]["res_id"] if rows else None

    def required_xid(self, name: str) -> int:
        found = self.xid(name)
        if found is None:
            raise ValueError(f"External ID not found in the system: {name}")
        return found


def _once(about: Method) -> Method:
    """Found out once for each of its arguments."""
    return cast(Method, functools.cache(about))


@_once
def _computed(kind: type[Model], model: str) -> frozenset[str]:
    """The fields of a model that are computed on reading."""
    fields = schemas()[model].fields.values()
    return frozenset(
        field.name for field in fields if field.related or hasattr(kind, f"compute_{field.name}")
    )


@_once
def _columns(kind: type[Model], model: str) -> dict[str, None]:
    fields = schemas()[model].fields.values()
    return {
        field.name: None
        for field in fields
        if field.name not in (*STAMPS, "id", "display_name")
        and field.type not in TO_MANY
        and field.name not in _computed(kind, model)
    }


class Model:
    """One model within an environment. `records` in the names below means database ids."""

    rec_name: ClassVar[str] = "name"

    def __init__(self, env: Env, schema: Schema) -> None:
        self.env = env
        self.schema = schema

    # What a model class may override.

    def defaults(self, values: Values) -> Values:
        """Values of a new record that the caller left out, and that depend on others."""
        return {}

    def before_write(self, ids: list[int], values: Values) -> None:
        """Refuse, or complete `values`."""

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        """React to a creation or a write; mark what to recompute."""

    def before_unlink(self, ids: list[int]) -> None:
        """Refuse, or clean up."""

    def recompute(self, record_id: int) -> None:
        """Bring the record's stored derived values up to date."""

    def rule(self) -> Domain:
        """Which records the caller may see: those of the companies that the context allows."""
        allowed = self.env.context.get("allowed_company_ids")
        if not allowed or "company_id" not in self.schema.fields:
            return []
        return [["company_id", "in", [*allowed, False]]]

    def display_name(self, row: Row) -> str | bool:
        return row.get(self.rec_name) or False

    # Reading, within the server.

    def field(self, name: str) -> Field:
        if name not in self.schema.fields:
            raise ValueError(f"Invalid field {name!r} on {self.schema.model!r}")
        return self.schema.fields[name]

    def computes(self, field: Field) -> bool:
        return field.name in _computed(type(self), self.schema.model)

    def rows(self, ids: Iterable[int]) -> list[Row]:
        """The stored columns of the records that exist, in the order asked for."""
        wanted = list(ids)
        found: dict[int, Row] = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT * FROM {self.schema.table} WHERE id IN ({marks})"
            found |= {row["id"]: dict(row) for row in self.env.execute(sql, part)}
        return [found[i] for i in wanted if i in found]

    def row(self, record_id: int) -> Row:
        rows = self.rows([record_id])
        if not rows:
            raise MissingError.of(self.schema.model, [record_id], self.env.uid)
        return rows[0]

    def exists(self, ids: Iterable[int]) -> list[int]:
        return [row["id"] for row in self.rows(ids)]

    def existing(self, ids: Sequence[int]) -> list[int]:
        """The same ids, once it is certain that every record is there."""
        there = set(self.exists(ids))
        missing = [i for i in ids if i not in there]
        if missing:
            raise MissingError.of(self.schema.model, missing, self.env.uid)
        return list(ids)

    def single(self, ids: Sequence[int]) -> int:
        if len(ids) != 1:
            text = ", ".join(map(str, ids))
            raise ValueError(f"Expected singleton: {self.schema.model}({text})")
        return self.existing(ids)[0]

    def find(
        self, domain: Domain, *, order: str = "", limit: int | None = None, offset: int = 0
    ) -> list[int]:
        """Ids that meet the domain, archived ones included."""
        condition = compile_domain(schemas(), self.schema.model, domain)
        sql = f"SELECT id FROM {self.schema.table} WHERE {condition.sql} ORDER BY "
        sql += self._order_by(order or self.schema.order)
        sql += f" LIMIT {-1 if limit is None else int(limit)} OFFSET {int(offset)}"
        return [row["id"] for row in self.env.execute(sql, condition.parameters)]

    def links(self, record_id: int, name: str) -> list[int]:
        """Ids at the other end of a one2many or many2many, in the other model's order."""
        field = self.field(name)
        other = self.env[field.relation]
        domain: Domain = [list(term) for term in field.domain]
        if field.type == "one2many":
            return other.find([[field.relation_field, "=", record_id], *domain])
        table, this, far = links_table(self.schema.model, field)
        condition = Condition(f"id IN (SELECT {far} FROM {table} WHERE {this} = ?)", (record_id,))
        sql = f"SELECT id FROM {other.schema.table} WHERE {condition.sql} ORDER BY "
        sql += other._order_by(other.schema.order)
        return [row["id"] for row in self.env.execute(sql, condition.parameters)]

    def name_of(self, record_id: int | None) -> list[Any] | bool:
        """A many2one's value: the id with the record's name."""
        if not record_id:
            return False
        rows = self.rows([record_id])
        return [record_id, self.display_name(rows[0])] if rows else False

    def _order_by(self, order: str) -> str:
        return ", ".join(self._order_term(term.strip()) for term in order.split(","))

    def _order_term(self, term: str) -> str:
        name, _, direction = term.partition(" ")
        if name not in self.schema.fields:
            raise ValueError(f"Invalid field {name!r} on model {self.schema.model!r}")
        descending = direction.strip().lower() == "desc"
        # PostgreSQL puts NULL last when ascending and first when descending; SQLite does not.
        return f'"{name}" ' + ("DESC NULLS FIRST" if descending else "ASC NULLS LAST")

    # Writing, within the server.

    def add(self, values: Values) -> int:
        """Create one record with its lines."""
        for name in values:
            if name not in self.schema.fields:
                raise ValueError(f"Invalid field {name!r} in {self.schema.model!r}")
        complete = self._with_defaults(values)
        fields, columns = self.schema.fields, self._columns
        own = {
            name: self._to_column(fields[name], value)
            for name, value in complete.items()
            if name in columns
        }
        stamps = {"create_uid": self.env.uid, "write_uid": self.env.uid}
        own |= stamps | {"create_date": self.env.timestamp, "write_date": self.env.timestamp}
        listed = ", ".join(f'"{name}"' for name in own)
        marks = ", ".join("?" * len(own))
        sql = f"INSERT INTO {self.schema.table} ({listed}) VALUES ({marks})"
        record_id = int(self.env.connection.execute(sql, list(own.values())).lastrowid or 0)
        self._apply_links(record_id, complete)
        self.after_change([record_id], set(complete))
        return record_id

    def put(self, ids: list[int], values: Values) -> None:
        """Write with all rules; the write date moves even if nothing changes, as in Odoo."""
        for name in values:
            if name not in self.schema.fields:
                raise KeyError(name)  # as Odoo does, where `create` raises ValueError
        values = dict(values)
        self.before_write(ids, values)
        own = {name: value for name, value in values.items() if name in self._columns}
        for name in own:
            self._check_required(self.field(name), own[name])
        columns = {name: self._to_column(self.field(name), value) for name, value in own.items()}
        for record_id in ids:
            self._update(record_id, columns)
            self._apply_links(record_id, values)
        self.after_change(ids, set(values))

    def settle(self, record_id: int, values: Values) -> bool:
        """Store derived values. Only a real change moves the write date; True if there was one."""
        row = self.row(record_id)
        columns = {name: self._to_column(self.field(name), value) for name, value in values.items()}
        changed = {name: value for name, value in columns.items() if row[name] != value}
        if changed:
            self._update(record_id, changed)
        return bool(changed)

    def remove(self, ids: list[int]) -> None:
        """Delete with lines, links and external ids."""
        self.before_unlink(ids)
        for record_id in ids:
            for field in self.schema.fields.values():
                if field.type == "many2many" and not self.computes(field):
                    table, this, _ = links_table(self.schema.model, field)
                    self.env.execute(f"DELETE FROM {table} WHERE {this} = ?", (record_id,))
            key = (self.schema.model, record_id)
            self.env.execute("DELETE FROM sandbox_xid WHERE model = ? AND res_id = ?", key)
            self.env.execute(f"DELETE FROM {self.schema.table} WHERE id = ?", (record_id,))

    def _update(self, record_id: int, columns: Values) -> None:
        columns = {**columns, "write_uid": self.env.uid, "write_date": self.env.timestamp}
        assignments = ", ".join(f'"{name}" = ?' for name in columns)
        sql = f"UPDATE {self.schema.table} SET {assignments} WHERE id = ?"
        self.env.execute(sql, [*columns.values(), record_id])

    def _with_defaults(self, values: Values) -> Values:
        complete = dict(values)
        for key, value in self.env.context.items():
            if key.startswith("default_") and key.removeprefix("default_") in self.schema.fields:
                complete.setdefault(key.removeprefix("default_"), value)
        columns = [self.schema.fields[name] for name in self._columns]
        for field in columns:
            if field.default is not None:
                complete.setdefault(field.name, field.default)
        for name, value in self.defaults(complete).items():
            complete.setdefault(name, value)
        for field in columns:
            complete.setdefault(field.name, False)
            self._check_required(field, complete[field.name])
        return complete

    def _check_required(self, field: Field, value: Any) -> None:
        if not field.required or field.type in NUMBERS or value not in (None, False, ""):
            return
        model = f"'{self.schema.description}' ({self.schema.model})"
        raise MissingRequired(
            f"Missing required value for the field '{field.string}' ({field.name}).\n"
            f"Model: {model}\n- create/update: a mandatory field is not set\n- delete: another"
            " model requires the record being deleted, you can archive it instead\n",
            field.name,
        )

    @property
    def _columns(self) -> dict[str, None]:
        """The fields that are written into a column of the table, in the schema's order."""
        return _columns(type(self), self.schema.model)

    def _to_column(self, field: Field, value: Any) -> Any:
        """The value as SQLite keeps it."""
        if field.type == "boolean":
            return int(bool(value))
        if field.type in JSON_TYPES:
            return None if value in (None, False) else json.dumps(value)
        if field.type in ("integer", "float", "monetary"):
            number = float(value or 0)
            return number if field.digits is None else rounded(number, field.digits)
        if value is None or value is False or value == "":
            return None
        return self._text_or_reference(field, value)

    def _text_or_reference(self, field: Field, value: Any) -> Any:
        if field.type == "many2one":
            if not self.env[field.relation].exists([int(value)]):
                raise self._dangling(field)
            return int(value)
        if field.type == "date":
            return str(datetime.strptime(str(value)[:10], "%Y-%m-%d").date())  # noqa: DTZ007
        if field.type == "datetime":
            text = str(value)[:19].replace("T", " ")
            return str(datetime.strptime(text, "%Y-%m-%d %H:%M:%S"))  # noqa: DTZ007
        if field.type == "selection" and value not in dict(field.selection):
            raise ValueError(f"Wrong value for {self.schema.model}.{field.name}: {value!r}")
        return value

    def _dangling(self, field: Field) -> ValidationError:
        """The foreign key's refusal, in Odoo's own misleading words."""
        return ValidationError(
            "The operation cannot be completed: Another model is using the record you are trying"
            f" to delete.\n\nThe troublemaker is: '{self.schema.description}'"
            f" ({self.schema.model})\nThanks to the following constraint: '{field.string}'"
            f" ({field.name})\nHow about archiving the record instead?"
        )

    def _apply_links(self, record_id: int, values: Values) -> None:
        for name, commands in values.items():
            field = self.schema.fields[name]
            if field.type not in TO_MANY or self.computes(field) or not commands:
                continue
            if all(isinstance(command, int) for command in commands):
                commands = [(6, 0, commands)]
            for command in commands:
                if field.type == "one2many":
                    self._apply_line(record_id, field, command)
                else:
                    self._apply_link(record_id, field, command)

    def _apply_line(self, record_id: int, field: Field, command: Sequence[Any]) -> None:
        """One command on a one2many. A new line may bring its external id under `id`."""
        lines = self.env[field.relation]
        code, target, *rest = command
        if code == 0:
            values = {**rest[0], field.relation_field: record_id}
            xid = values.pop("id", None)
            line = lines.add(values)
            if xid:
                remember_xid(self.env, str(xid), field.relation, line)
        elif code == 1:
            lines.put(lines.existing([target]), rest[0])
        elif code == 2:
            lines.remove([target])
        elif code == 3:
            lines.put([target], {field.relation_field: False})
        elif code == 4:
            lines.put(lines.existing([target]), {field.relation_field: record_id})
        elif code in (5, 6):
            kept = rest[0] if code == 6 else ()
            for line in set(self.links(record_id, field.name)) - set(kept):
                lines.remove([line])

    def _apply_link(self, record_id: int, field: Field, command: Sequence[Any]) -> None:
        """One command on a many2many."""
        table, this, other = links_table(self.schema.model, field)
        code, target, *rest = command
        if code == 0:
            self._apply_link(record_id, field, (4, self.env[field.relation].add(rest[0])))
        elif code in (2, 3):
            sql = f"DELETE FROM {table} WHERE {this} = ? AND {other} = ?"
            self.env.execute(sql, (record_id, target))
        elif code == 4:
            self.env[field.relation].existing([target])
            sql = f"INSERT OR IGNORE INTO {table} ({this}, {other}) VALUES (?, ?)"
            self.env.execute(sql, (record_id, target))
        elif code in (5, 6):
            self.env.execute(f"DELETE FROM {table} WHERE {this} = ?", (record_id,))
            for linked in rest[0] if code == 6 else ():
                self._apply_link(record_id, field, (4, linked))

    # What a caller sees.

    @on_model
    def has_access(self, operation: str) -> bool:
        if operation not in DENIED:
            raise AssertionError("Invalid access mode")
        if self.env.uid == SUPERUSER:
            return True
        if (self.schema.model, operation) in self.env.denied:
            return False
        return bool(self.env.groups & set(self.schema.access[operation]))

    def check_access(self, operation: str) -> None:
        if self.has_access(operation):
            return
        allowed = self.schema.access[operation]
        groups = "\n".join(f"\t- {name}" for name in allowed)
        middle = f"This operation is allowed for the following groups:\n{groups}"
        if not groups:
            middle = "No group currently allows this operation."
        raise AccessError(
            f"You are not allowed to {DENIED[operation]} '{self.schema.description}'"
            f" ({self.schema.model}) records.\n\n{middle}\n\n"
            "Contact your administrator to request access if necessary."
        )

    def visible(
        self, domain: Domain | None, order: str | None, limit: int | None, offset: int
    ) -> list[int]:
        """A search as a caller does it: archived records stay out unless asked for."""
        domain = list(domain or [])
        mentioned = any(isinstance(term, list | tuple) and term[0] == "active" for term in domain)
        active_test = self.env.context.get("active_test", True)
        if "active" in self.schema.fields and active_test and not mentioned:
            hidden = compile_domain(schemas(), self.schema.model, domain)
            if hidden is not EVERYTHING:
                domain = ["&", ["active", "=", True], *closed(domain)]
            else:
                domain = [["active", "=", True]]
        rule = self.rule()
        if rule:
            domain = [*closed(rule), *closed(domain)] if domain else rule
        return self.find(domain, order=order or "", limit=limit or None, offset=offset or 0)

    def check_rule(self, ids: Sequence[int], operation: str) -> None:
        """Refuse records that exist and that the caller may not see."""
        rule = self.rule()
        if not rule or self.env.uid == SUPERUSER:
            return
        there = self.exists(ids)
        if set(there) - set(self.find([["id", "in", there], *rule])):
            user = self.env["res.users"].row(self.env.uid)
            raise AccessError(
                "Uh-oh! Looks like you have stumbled upon some top-secret records.\n\n"
                f"Sorry, {user['name']} (id={user['id']}) doesn't have '{operation}' access to:\n"
                f"- {self.schema.description} ({self.schema.model})\n\n"
                "If you really, really need access, perhaps you can win over your friendly"
                " administrator with a batch of freshly baked cookies."
            )

    def values(self, row: Row, field: Field, load: str = "_classic_read") -> Any:
        """One field of one record as JSON shows it."""
        if field.name == "display_name":
            return self.display_name(row)
        value = self._computed(row, field) if self.computes(field) else self.stored(row, field)
        if field.type == "many2one":
            if not load:
                return value or False
            return self.env[field.relation].name_of(value)
        if field.type == "boolean":
            return bool(value)
        if field.type in ("integer", "many2one_reference"):
            return int(value or 0)
        if field.type in ("float", "monetary"):
            return float(value or 0)
        return False if value is None else value

    def _computed(self, row: Row, field: Field) -> Any:
        compute = getattr(self, f"compute_{field.name}", None)
        if compute:
            return compute(row)
        value = self.follow(row, field.related.split("."))
        if field.type in TO_MANY:
            return self.env[field.relation].find([["id", "in", value]])
        return value

    def follow(self, row: Row, path: list[str]) -> Any:
        """The value at the end of a path of relations; several ids if a step is to-many."""
        field = self.field(path[0])
        if len(path) == 1:
            return row[field.name] if field.type not in TO_MANY else self.links(row["id"], path[0])
        other = self.env[field.relation]
        if field.type not in TO_MANY:
            target = row[field.name]
            return other.follow(other.row(target), path[1:]) if target else None
        found: dict[int, None] = {}
        for linked in other.rows(self.links(row["id"], field.name)):
            value = other.follow(linked, path[1:])
            found |= dict.fromkeys(value if isinstance(value, list) else [value] if value else [])
        return list(found)

    def properties(self, row: Row, name: str) -> dict[str, Any]:
        """The values of a properties field, whatever the parent defines by now."""
        value = self.stored(row, self.field(name))
        return value if isinstance(value, dict) else {}

    def property_definition(self, name: str) -> Values | None:
        """The definition of one property, if a parent has it; only some models have properties."""
        return None

    def stored(self, row: Row, field: Field) -> Any:
        if field.type in TO_MANY:
            return self.links(row["id"], field.name)
        value = row[field.name]
        if field.type == "datetime" and value:
            return value[:19]
        return json.loads(value) if field.type in JSON_TYPES and value else value

    @on_model
    def search(
        self,
        domain: Domain,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
    ) -> list[int]:
        self.check_access("read")
        return self.visible(domain, order, limit, offset)

    @on_model
    def search_count(self, domain: Domain, limit: int | None = None) -> int:
        self.check_access("read")
        return len(self.visible(domain, None, limit, 0))

    @on_model
    def formatted_read_group(
        self, domain: Domain, groupby: Sequence[str] = (), aggregates: Sequence[str] = ()
    ) -> list[Row]:
        """Sums and counts of what a search finds, in groups by many2ones and by months."""
        self.check_access("read")
        groups: dict[tuple[Any, ...], list[Row]] = {} if groupby else {(): []}
        for row in self.rows(self.visible(domain, None, None, 0)):
            values = tuple(self._group_value(row, name) for name in groupby)
            groups.setdefault(values, []).append(row)
        return [self._group(groupby, values, rows, aggregates) for values, rows in groups.items()]

    def _group_value(self, row: Row, spec: str) -> Any:
        name, _, granularity = spec.partition(":")
        if granularity not in ("", "month"):
            raise ValueError(f"{granularity!r} isn't a valid granularity")
        value = row[self.field(name).name]
        return f"{value[:7]}-01" if granularity and value else value

    def _group(
        self,
        specs: Sequence[str],
        values: Sequence[Any],
        rows: list[Row],
        aggregates: Sequence[str],
    ) -> Row:
        found: Row = {"__extra_domain": [[1, "=", 1]]}
        for spec, value in zip(specs, values, strict=True):
            name, _, granularity = spec.partition(":")
            if granularity:
                label = f"{date.fromisoformat(value):%B %Y}" if value else ""
                found[spec] = [value, label] if value else False
            else:
                found[spec] = self.env[self.field(name).relation].name_of(value)
                found["__extra_domain"] = [[name, "=", value or False]]
        for aggregate in aggregates:
            name, _, function = aggregate.partition(":")
            if aggregate == "__count":
                found[aggregate] = len(rows)
            elif function == "sum":
                amounts = [Decimal(str(row[self.field(name).name] or 0)) for row in rows]
                found[aggregate] = float(sum(amounts)) if rows else False
            else:
                raise ValueError(f"Invalid aggregate specification {aggregate!r}.")
        return found

    @on_model
    def search_read(
        self,
        domain: Domain | None = None,
        fields: list[str] | None = None,
        offset: int = 0,
        limit: int | None = None,
        order: str | None = None,
        load: str = "_classic_read",
    ) -> list[Row]:
        self.check_access("read")
        return self.read(self.visible(domain, order, limit, offset), fields, load)

    @on_records
    def read(
        self, ids: list[int], fields: list[str] | None = None, load: str = "_classic_read"
    ) -> list[Row]:
        self.check_access("read")
        self.check_rule(ids, "read")
        wanted = [self.field(name) for name in fields or self.schema.fields]
        rows = self.rows(ids)
        return [
            {"id": row["id"]} | {field.name: self.values(row, field, load) for field in wanted}
            for row in rows
        ]

    @on_records
    def get_external_id(self, ids: list[int]) -> dict[str, str]:
        """The external id of each record; "" of one that has none."""
        found = {str(record_id): "" for record_id in ids}
        sql = "SELECT xid FROM sandbox_xid WHERE model = ? AND res_id = ? ORDER BY rowid LIMIT 1"
        for record_id in self.exists(ids):
            for row in self.env.execute(sql, (self.schema.model, record_id)):
                found[str(record_id)] = row["xid"]
        return found

    @on_records
    def web_read(self, ids: list[int], specification: dict[str, Any]) -> list[Row]:
        """As `read`, and of what a field relates to the fields that are named within it."""
        found = self.read(ids, list(specification), load="")
        for row in found:
            for name, within in specification.items():
                if "fields" in within:
                    row[name] = self._related(self.field(name), row[name], within["fields"])
        return found

    def _related(self, field: Field, value: Any, specification: dict[str, Any]) -> Any:
        if not value:
            return value
        ids = value if isinstance(value, list) else [value]
        found = self.env[field.relation].web_read(ids, specification)
        return found if isinstance(value, list) else found[0]

    @on_records
    def web_save(self, ids: list[int], vals: Values, specification: dict[str, Any]) -> list[Row]:
        """Write the records, or create one where there are none, and read them."""
        if ids:
            self.write(ids, vals)
        else:
            ids = self.create([vals])
        return self.web_read(ids, specification)

    @on_model
    def create(self, vals_list: list[Values] | Values) -> list[int]:
        self.check_access("create")
        many = [vals_list] if isinstance(vals_list, dict) else vals_list
        ids = [self.add(values) for values in many]
        self.env.flush()
        return ids

    @on_records
    def write(self, ids: list[int], vals: Values) -> bool:
        self.check_access("write")
        self.check_rule(ids, "write")
        self.put(self.existing(ids), vals)
        self.env.flush()
        return True

    @on_records
    def unlink(self, ids: list[int]) -> bool:
        self.check_access("unlink")
        self.remove(self.existing(ids))
        self.env.flush()
        return True

    @on_model
    def name_search(
        self,
        name: str = "",
        domain: Domain | None = None,
        operator: str = "ilike",
        limit: int | None = 100,
    ) -> list[list[Any]]:
        self.check_access("read")
        terms = [[self.rec_name, operator, name], *(domain or [])]
        found = self.visible(terms, None, limit, 0)
        return [[row["id"], self.display_name(row)] for row in self.rows(found)]

    @on_model
    def fields_get(
        self, allfields: list[str] | None = None, attributes: list[str] | None = None
    ) -> dict[str, Values]:
        self.check_access("read")
        names = [name for name in allfields or self.schema.fields if name in self.schema.fields]
        return {name: self._description(self.schema.fields[name], attributes) for name in names}

    def _description(self, field: Field, attributes: list[str] | None) -> Values:
        full: Values = {
            "name": field.name,
            "type": field.type,
            "string": field.string,
            "required": field.required,
            "readonly": field.readonly,
            "store": not self.computes(field) and field.name != "display_name",
        }
        if field.relation:
            full["relation"] = field.relation
        if field.relation_field:
            full["relation_field"] = field.relation_field
        if field.type == "selection":
            full["selection"] = [list(item) for item in field.selection]
        return {key: value for key, value in full.items() if not attributes or key in attributes}


def closed(domain: Domain) -> Domain:
    """The domain as one operand: the "and" between its terms written out."""
    operands = 0
    for item in domain:
        operands += {"&": -1, "|": -1, "!": 0}.get(item, 1) if isinstance(item, str) else 1
    return ["&"] * (operands - 1) + domain


def remember_xid(env: Env, xid: str, model: str, record_id: int) -> None:
    """Attach an external id to a record."""
    full = xid if "." in xid else f"{env.context.get('module', '__import__')}.{xid}"
    if " " in full:
        raise CheckViolation(
            'new row for relation "ir_model_data" violates check constraint'
            ' "ir_model_data_name_nospaces"'
        )
    noupdate = int(bool(env.context.get("noupdate", False)))
    env.execute(
        "INSERT OR REPLACE INTO sandbox_xid VALUES (?, ?, ?, ?)", (full, model, record_id, noupdate)
    )
