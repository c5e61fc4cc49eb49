"""`load`: upserts rows of text by external id, as Odoo's import does.

A row that cannot be converted or saved does not raise: the answer is HTTP 200 with `ids: false`
and messages, and nothing of the call is saved.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from sandbox.odoo.errors import CheckViolation, MissingRequired, UserError, ValidationError
from sandbox.odoo.records import Env, Model, Values, on_model, remember_xid
from sandbox.odoo.schema import Field

Path = tuple[str, ...]
Message = dict[str, Any]
REFERENCES = ("", "id", ".id")
"""How a column can name a record: by its name, by external id, by database id."""
TRUE = ("1", "true", "yes")
FALSE = ("", "0", "false", "no")
MAX_ERRORS = 10


class CellError(ValueError):
    """A cell that cannot be converted; `more` is Odoo's hint to the person importing."""

    def __init__(self, message: str, more: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.more = more


@dataclass
class Record:
    """One record of the file, spanning rows `first` to `last`."""

    number: int
    first: int
    last: int
    cells: Values
    xid: str = ""
    database_id: int | None = None

    @property
    def info(self) -> Message:
        return {"rows": {"from": self.first, "to": self.last}, "record": self.number}


@on_model
def load(model: Model, fields: list[str], data: list[list[Any]]) -> dict[str, Any]:
    """Odoo's method of that name, which every model has."""
    return Loader(model).run(fields, data)


class Loader:
    """One `load` call on one model."""

    def __init__(self, model: Model) -> None:
        self.env: Env = model.env
        self.model = model
        self.module = str(self.env.context.get("module", "__import__"))
        self.noupdate = bool(self.env.context.get("noupdate", False))
        self.update_only = self.env.context.get("mode", "init") == "update"
        self.messages: list[Message] = []
        self.ids: list[int] = []
        self.waiting: list[tuple[Record, Values]] = []
        self.waiting_xids: set[str] = set()

    def run(self, fields: list[str], data: list[list[Any]]) -> dict[str, Any]:
        paths = [_path(name) for name in fields]
        _check_paths(self.model, paths)
        self._savepoint("load")
        for record in self._records(paths, data):
            values = self._converted(record)
            if record.xid:
                self.waiting_xids.add(self._full(record.xid))
            self.waiting.append((record, values))
        self._save_waiting()
        failed = any(message["type"] == "error" for message in self.messages)
        if failed:
            self._rollback("load")
        self.env.execute("RELEASE load")
        return {"ids": False if failed else self.ids, "messages": self.messages, "nextrow": 0}

    # Rows to records.

    def _records(self, paths: list[Path], data: list[list[Any]]) -> Iterator[Record]:
        for number, (first, last, cells) in enumerate(_extract(self.model, paths, data)):
            record = Record(number, first, last, cells)
            record.xid = str(cells.pop("id", "") or "")
            database_id = cells.pop(".id", "")
            if database_id:
                record.database_id = self._known_id(record, database_id)
            yield record

    def _known_id(self, record: Record, text: Any) -> int | None:
        if self.model.exists([int(text)]):
            return int(text)
        problem = f"Unknown database identifier '{text}'"
        self._report(record.info | {"type": "error", "field": ".id", "message": problem})
        return None

    # Text to values.

    def _converted(self, record: Record) -> Values:
        values: Values = {}
        for name, cell in record.cells.items():
            if "." in name:
                owner, _, item = name.partition(".")
                values.setdefault(owner, {})[item] = cell or False
                continue
            field = self.model.field(name)
            try:
                values[name] = self._value(self.model, field, cell) if cell else False
            except CellError as error:
                self._report(record.info | _cell_message(field, error))
        return values

    def _value(self, model: Model, field: Field, cell: Any) -> Any:
        if field.type == "one2many":
            return [self._line(field, line) for line in _lines_of(cell)]
        if field.type == "many2many":
            reference, text = _reference(field, cell)
            ids = [self._record_of(field, reference, part) for part in text.split(",")]
            return [(6, 0, [found for found in ids if found])]
        if field.type == "many2one":
            return self._record_of(field, *_reference(field, cell))
        convert: Callable[[Env, Field, Any], Any] = CONVERTERS.get(field.type, _as_is)
        return convert(self.env, field, cell)

    def _line(self, field: Field, cells: Values) -> tuple[Any, ...]:
        """One line of a one2many: an update if its reference is known, else a creation."""
        lines = self.env[field.relation]
        values: Values = {}
        for name, cell in cells.items():
            if name in REFERENCES:
                continue
            inner = lines.field(name)
            try:
                values[name] = self._value(lines, inner, cell) if cell else False
            except CellError as error:
                raise CellError(
                    error.message.replace("'%(field)s", f"'%(field)s/{inner.string}"), error.more
                ) from None
        references = {name: cells[name] for name in cells if name in REFERENCES}
        if not references:
            return (0, 0, values)
        known = self._known_line(field, references)
        if known is None:
            return (0, 0, values | {"id": self._full(str(references["id"]))})
        return (1, known, values)

    def _known_line(self, field: Field, references: Values) -> int | None:
        reference, text = _reference(field, [references])
        try:
            return self._record_of(field, reference, text) or None
        except CellError:
            if reference != "id":
                raise
            return None

    def _record_of(self, field: Field, reference: str, text: Any) -> int | bool:
        """The database id behind a cell that names a record; False for an empty one."""
        related = self.env[field.relation]
        if reference == ".id":
            return self._by_database_id(related, field, text)
        if str(text).lower() in FALSE:
            return False
        if reference == "id":
            return self._by_xid(related, field, str(text))
        if field.relation == self.model.schema.model:
            self._save_waiting()
        found = related.name_search(name=text, operator="=")
        if not found:
            raise _no_match(field, "name", text)
        return int(found[0][0])

    def _by_database_id(self, related: Model, field: Field, text: Any) -> int | bool:
        if isinstance(text, str) and text.lower() in FALSE:
            return False
        try:
            wanted = int(text)
        except ValueError:
            raise CellError(
                f"Invalid database id '{text}' for the field '%(field)s'",
                _possible_values("ir.model.data", field.relation),
            ) from None
        if not related.exists([wanted]):
            raise _no_match(field, "database id", text)
        return wanted

    def _by_xid(self, related: Model, field: Field, text: str) -> int:
        xid = self._full(text)
        if xid in self.waiting_xids:
            self._save_waiting()
        sql = "SELECT model, res_id FROM sandbox_xid WHERE xid = ?"
        rows = [row for row in self.env.execute(sql, (xid,)) if related.exists([row["res_id"]])]
        if not rows:
            raise _no_match(field, "external id", text)
        if rows[0]["model"] != related.schema.model:
            expected, found = related.schema.model, rows[0]["model"]
            raise CellError(
                f"Invalid external ID {xid}: expected model {expected!r}, found {found!r}"
            )
        return int(rows[0]["res_id"])

    # Values to the database.

    def _save_waiting(self) -> None:
        """Save what is waiting: together if that works, else one by one to find the culprits."""
        batch, self.waiting = self.waiting, []
        self.waiting_xids.clear()
        if not batch:
            return
        self._savepoint("batch")
        together: Message | None = None
        try:
            saved = [self._save(record, values) for record, values in batch]
            self.ids += saved
        except MissingRequired:
            self._rollback("batch")
        except UserError as error:
            self._rollback("batch")
            together = batch[0][0].info | {"type": "error", "message": error.message}
        except Exception:
            self._rollback("batch")
        else:
            self.env.execute("RELEASE batch")
            return
        self.env.execute("RELEASE batch")
        failures = self._save_one_by_one(batch)
        if failures and together and together not in self.messages:
            self.messages.insert(0, together)

    def _save_one_by_one(self, batch: list[tuple[Record, Values]]) -> int:
        errors = 0
        for position, (record, values) in enumerate(batch, 1):
            try:
                self.ids.append(self._save(record, values))
            except Exception as error:
                self._rollback("load")
                self._report(record.info | {"type": "error"} | _failure(error))
                errors += 1
            if errors >= MAX_ERRORS and errors >= position / 10:
                too_many = (
                    "Found more than 10 errors and more than one error per 10 records, interrupted"
                    " to avoid showing too many errors."
                )
                self._report({"type": "warning", "message": too_many})
                break
        return errors

    def _save(self, record: Record, values: Values) -> int:
        record_id = self._upsert(record, values)
        self.env.flush()
        return record_id

    def _upsert(self, record: Record, values: Values) -> int:
        if not record.xid:
            if record.database_id:
                self._write(record.database_id, values)
                return record.database_id
            if self.update_only:
                raise ValidationError("Cannot update a record without specifying its id or xml_id")
            return self._create(values)
        xid = self._full(record.xid)
        known = self._known(xid)
        if known is None:
            record_id = self._create(values)
            remember_xid(self.env, xid, self.model.schema.model, record_id)
            return record_id
        record_id, frozen = known
        if not (self.update_only and frozen):
            self._write(record_id, values)
        return record_id

    def _known(self, xid: str) -> tuple[int, bool] | None:
        """The record behind an external id and whether a create-once call must leave it alone."""
        sql = "SELECT rowid, model, res_id, noupdate FROM sandbox_xid WHERE xid = ?"
        rows = self.env.execute(sql, (xid,))
        if not rows:
            return None
        model, found = self.model.schema.model, rows[0]["model"]
        if found != model:
            raise ValidationError(
                f"For external id {xid} when trying to create/update a record of model {model}"
                f" found record of different model {found} ({rows[0]['rowid']})"
            )
        return rows[0]["res_id"], bool(rows[0]["noupdate"])

    def _create(self, values: Values) -> int:
        self.model.check_access("create")
        return self.model.add(values)

    def _write(self, record_id: int, values: Values) -> None:
        """Write; unlike `write` itself, `load` leaves the other properties of a record alone."""
        self.model.check_access("write")
        for name, value in values.items():
            if self.model.field(name).type == "properties" and isinstance(value, dict):
                values[name] = self.model.properties(self.model.row(record_id), name) | value
        self.model.put([record_id], values)

    def _full(self, xid: str) -> str:
        return xid if "." in xid else f"{self.module}.{xid}"

    def _report(self, message: Message) -> None:
        self.messages.append(message)

    def _savepoint(self, name: str) -> None:
        self.env.execute(f"SAVEPOINT {name}")

    def _rollback(self, name: str) -> None:
        self.env.execute(f"ROLLBACK TO {name}")
        self.env.forget()


def _path(name: str) -> Path:
    """`order_line/product_id/.id` as its parts; a dot before an id is part of the name."""
    return tuple(part for part in name.split("/") if part)


def _check_paths(model: Model, paths: list[Path]) -> None:
    for path in paths:
        name = path[0]
        if "." in name and name not in REFERENCES:
            if model.property_definition(name.partition(".")[2]) is None:
                item = name.partition(".")[2]
                raise ValueError(f"Property {item!r} doesn't have any definition on {name!r} field")
        elif name not in REFERENCES and name not in model.schema.fields:
            raise ValueError(f"Invalid field name {name!r}")


def _extract(
    model: Model, paths: list[Path], data: list[list[Any]]
) -> Iterator[tuple[int, int, Values]]:
    """Split rows into records: rows with nothing but one2many cells continue the one before."""
    fields = model.schema.fields
    _check_paths(model, paths)
    lines = [i for i, path in enumerate(paths) if _is_line(fields.get(path[0]))]
    others = [i for i in range(len(paths)) if i not in lines]

    def continues(row: list[Any]) -> bool:
        return any(row[i] for i in lines) and not any(row[i] for i in others)

    first = 0
    while first < len(data):
        span = [data[first], *takewhile(continues, data[first + 1 :])]
        cells: Values = {}
        for index, path in enumerate(paths):
            if not _is_relational(fields.get(path[0])):
                cells[path[0]] = span[0][index]
        for name in dict.fromkeys(path[0] for path in paths):
            if _is_relational(fields.get(name)):
                cells[name] = _sub_records(model, fields[name], paths, span)
        yield first, first + len(span) - 1, cells
        first += len(span)


def _is_relational(field: Field | None) -> bool:
    return field is not None and bool(field.relation)


def _is_line(field: Field | None) -> bool:
    return field is not None and field.type == "one2many"


def _sub_records(
    model: Model, field: Field, paths: list[Path], span: list[list[Any]]
) -> list[Values]:
    """What the columns below a relational field say, row by row."""
    columns = [(i, path[1:] or ("",)) for i, path in enumerate(paths) if path[0] == field.name]
    rows = [[row[i] for i, _ in columns] for row in span]
    rows = [row for row in rows if any(row)]
    related = model.env[field.relation]
    return [cells for _, _, cells in _extract(related, [path for _, path in columns], rows)]


def _lines_of(cell: list[Values]) -> list[Values]:
    """A one2many given only as references may list several in one cell."""
    if len(cell) == 1 and not set(cell[0]) - set(REFERENCES):
        [(reference, text)] = cell[0].items()
        return [{reference: part} for part in text.split(",")]
    return cell


def _reference(field: Field, cell: list[Values]) -> tuple[str, Any]:
    [record] = cell
    if set(record) - set(REFERENCES):
        raise CellError(
            "Can not create Many-To-One records indirectly, import the field separately"
        )
    if len(record) > 1:
        raise CellError(
            f"Ambiguous specification for field '{field.string}', only provide one of name,"
            " external id or database id"
        )
    [(reference, text)] = record.items()
    return reference, text


def _cell_message(field: Field, error: CellError) -> Message:
    message: Message = {
        "type": "error",
        "field": field.name,
        "message": error.message.replace("%(field)s", field.string),
    }
    if error.more is not None:
        message["moreinfo"] = error.more
    if "%(field)s" in error.message:
        message["field_name"] = field.string
    return message


def _failure(error: Exception) -> Message:
    """How a failure to save one record reads among the messages."""
    if isinstance(error, MissingRequired):
        return {"message": error.detail, "field": error.field}
    if isinstance(error, UserError):
        return {"message": error.message}
    if isinstance(error, CheckViolation):
        return {"message": str(error)}
    return {
        "message": f"Unknown error during import: {type(error)}: {error}",
        "moreinfo": "Resolve other errors first",
    }


def _no_match(field: Field, kind: str, text: Any) -> CellError:
    model = field.relation if kind == "name" else "ir.model.data"
    return CellError(
        f"No matching record found for {kind} '{text}' in field '%(field)s'",
        _possible_values(model, field.relation),
    )


def _possible_values(model: str, relation: str) -> dict[str, Any]:
    action: dict[str, Any] = {
        "name": "Possible Values",
        "type": "ir.actions.act_window",
        "target": "new",
        "view_mode": "list,form",
        "views": [[False, "list"], [False, "form"]],
        "context": {"create": False},
        "help": "See all possible values",
        "res_model": model,
    }
    if model == "ir.model.data":
        action["domain"] = [["model", "=", relation]]
    return action


def _as_is(env: Env, field: Field, cell: Any) -> Any:
    return cell


def _boolean(env: Env, field: Field, cell: Any) -> bool:
    if cell.lower() in TRUE:
        return True
    if cell.lower() in FALSE:
        return False
    raise CellError(
        f"Unknown value '{cell}' for boolean field '%(field)s'",
        "Use '1' for yes and '0' for no",
    )


def _integer(env: Env, field: Field, cell: Any) -> int:
    try:
        return int(cell)
    except ValueError:
        raise CellError(f"'{cell}' does not seem to be an integer for field '%(field)s'") from None


def _float(env: Env, field: Field, cell: Any) -> float:
    try:
        return float(cell)
    except ValueError:
        raise CellError(f"'{cell}' does not seem to be a number for field '%(field)s'") from None


def _date(env: Env, field: Field, cell: Any) -> str:
    try:
        return str(datetime.strptime(cell[:10], "%Y-%m-%d").date())  # noqa: DTZ007
    except ValueError:
        raise CellError(
            f"'{cell}' does not seem to be a valid date for field '%(field)s'",
            "Use the format '2012-12-31'",
        ) from None


def _datetime(env: Env, field: Field, cell: Any) -> str:
    """A datetime in a file is in the user's time zone."""
    try:
        local = datetime.strptime(cell[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=env.zone)
    except ValueError:
        raise CellError(
            f"'{cell}' does not seem to be a valid datetime for field '%(field)s'",
            "Use the format '2012-12-31 23:59:59'",
        ) from None
    return local.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _json(env: Env, field: Field, cell: Any) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        raise CellError(
            f"'{cell}' does not seem to be a valid JSON for field '%(field)s'"
        ) from None


def _selection(env: Env, field: Field, cell: Any) -> str:
    for key, label in field.selection:
        if cell.lower() in (key.lower(), label.lower()):
            return key
    labels = [label for _, label in field.selection]
    raise CellError(f"Value '{cell}' not found in selection field '%(field)s'", labels)


CONVERTERS: dict[str, Callable[[Env, Field, Any], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "many2one_reference": _integer,
    "float": _float,
    "monetary": _float,
    "date": _date,
    "datetime": _datetime,
    "selection": _selection,
    "json": _json,
}
