"""Forms made of the models of messages: a field for each thing that a person says.

Who sends it is no field, ever: it is the visitor. What is left empty is left out.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.datastructures import FormData

from contracts.money import Money
from contracts.problems import InvalidContract, Problem
from starters.client.protocol import built
from starters.web.forms import text

M = TypeVar("M", bound=BaseModel)
Options = Sequence[tuple[str, str]]

MAX_LETTERS = 100_000
"""Of what a field says: many rows, or a change order."""
BY = "by"
_OF_OTHERS = frozenset({BY, "actor", "as_of", "whole_contract"})
"""What no person fills in: who it is, the signature, and what only systems say."""
_LONG = frozenset({"reason", "comment", "ignore"})
_LABELS = {
    "number": "Invoice",
    "until": "Until the end of",
    "agreed": "The other side agrees: no days of notice",
    "reinvoice": "Propose the same again",
    "revised_due_on": "Due instead on",
    "paid_on": "Paid on",
    "side": "Who",
    "HoldChange.on": "Stop the reminders (otherwise let them go on)",
    "hold.reason": "Reason (leave it empty to release the hold)",
    "hold.until": "Until the end of",
    "TerminationRequest.on": "Last day",
    "PaymentPromised.on": "Paid by the end of",
    "record_usage.records": "Records",
}


class Kind(StrEnum):
    """What a field is asked with."""

    TEXT = "text"
    LONG = "long"
    DAY = "day"
    MONEY = "money"
    NUMBER = "number"
    CHOICE = "choice"
    CHECK = "check"
    ROWS = "rows"


@dataclass(frozen=True)
class Field:
    """One field. `columns` are those of rows, which are written a line each."""

    name: str
    label: str
    kind: Kind
    required: bool
    options: Options = ()
    columns: tuple[str, ...] = ()
    checked: bool = False


def fields(
    model: type[BaseModel], options: Mapping[str, Options] | None = None
) -> tuple[Field, ...]:
    """The fields of a message; `options` are what there is to choose from, by a field's name."""
    return tuple(_fields(model, options or {}, "", is_required=True))


def _fields(
    model: type[BaseModel], options: Mapping[str, Options], prefix: str, *, is_required: bool
) -> list[Field]:
    found: list[Field] = []
    for name, info in model.model_fields.items():
        if name in _OF_OTHERS:
            continue
        bare = _bare(info.annotation)
        if _is_model(bare):
            # The part is there once something of it is given.
            found += _fields(bare, options, f"{prefix}{name}.", is_required=False)
            continue
        found.append(_field(model, prefix, name, info, options, is_required))
    return found


def _field(
    model: type[BaseModel],
    prefix: str,
    name: str,
    info: FieldInfo,
    options: Mapping[str, Options],
    is_required: bool,
) -> Field:
    full, bare = f"{prefix}{name}", _bare(info.annotation)
    label = _LABELS.get(f"{model.__name__}.{name}") or _LABELS.get(full) or _LABELS.get(name)
    chosen = options.get(full, ())
    columns: tuple[str, ...] = ()
    row = _row_of(bare)
    if row is not None:
        columns = tuple(row.model_fields)
    elif not chosen and isinstance(bare, type) and issubclass(bare, Enum):
        chosen = [(str(item.value), str(item.value).replace("_", " ")) for item in bare]
    kind = _kind(full, bare) if not (chosen or columns) else Kind.ROWS if columns else Kind.CHOICE
    return Field(
        name=full,
        label=label or name.replace("_", " ").capitalize(),
        kind=kind,
        required=is_required and info.is_required(),
        options=chosen,
        columns=columns,
        checked=info.default is True,
    )


def _kind(name: str, bare: Any) -> Kind:
    if bare is Money:
        return Kind.MONEY
    if bare is date:
        return Kind.DAY
    if bare is bool:
        return Kind.CHECK
    if bare is int:
        return Kind.NUMBER
    return Kind.LONG if name.rpartition(".")[2] in _LONG else Kind.TEXT


def _bare(annotation: Any) -> Any:
    """A type without what it may be besides (None), and without how it is checked."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        given = [item for item in get_args(annotation) if item is not type(None)]
        return _bare(given[0]) if len(given) == 1 else annotation
    return annotation


def _is_model(bare: Any) -> bool:
    return isinstance(bare, type) and issubclass(bare, BaseModel) and bare is not Money


def _row_of(bare: Any) -> type[BaseModel] | None:
    """The model of what a field has many of."""
    if get_origin(bare) is not tuple:
        return None
    first = _bare(get_args(bare)[0])
    return first if _is_model(first) else None


# --- what is sent -------------------------------------------------------------------------------


def message(model: type[M], asked: Sequence[Field], form: FormData, *, by: str, currency: str) -> M:
    """The message of a filled-in form. Raises InvalidContract with every problem."""
    content: dict[str, Any] = {}
    for field in asked:
        value = _value(field, form, currency)
        if value is None:
            continue
        part, _, name = field.name.rpartition(".")
        (content.setdefault(part, {}) if part else content)[name] = value
    for part, kind in _parts(model):
        if part in content and BY in kind.model_fields:
            content[part][BY] = by
    if BY in model.model_fields:
        content[BY] = by
    return built(model, **content)


def _parts(model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    bare = {name: _bare(info.annotation) for name, info in model.model_fields.items()}
    return [(name, kind) for name, kind in bare.items() if _is_model(kind)]


def _value(field: Field, form: FormData, currency: str) -> Any:
    said = text(form, field.name, MAX_LETTERS)
    if field.kind is Kind.CHECK:
        return bool(said)
    if not said:
        return None
    if field.kind is Kind.MONEY:
        return said if said[-1:].isalpha() else f"{said} {currency}"
    if field.kind is Kind.ROWS:
        return _rows(field, said)
    is_count = field.kind is Kind.NUMBER or field.name == "number"
    return int(said) if is_count and said.isascii() and said.isdigit() and len(said) < 10 else said


def _rows(field: Field, said: str) -> list[dict[str, str]]:
    """Rows written a line each, their columns between commas."""
    found, wrong = [], []
    for place, line in enumerate(filter(None, map(str.strip, said.splitlines())), start=1):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(field.columns):
            wrong.append(
                Problem(
                    code="file_malformed",
                    field=f"{field.name}, line {place}",
                    value=line[:100],
                    expected=", ".join(field.columns),
                )
            )
            continue
        found.append(dict(zip(field.columns, cells, strict=True)))
    if wrong:
        raise InvalidContract(wrong)
    return found


def corrected(said: str) -> Any:
    """A corrected value of contract data: text, unless it is written as a list, an object, or
    nothing at all."""
    if said == "null" or said[:1] in ("{", "["):
        try:
            return json.loads(said, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            return said
    return said
