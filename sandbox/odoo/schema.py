"""The models and fields the stand-in knows, read from `schema.json`.

The file was taken from a real Odoo 19's `fields_get` and access lists: types, labels, selections
and the groups that may read or write. Behaviour lives in the model classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

TO_MANY = ("one2many", "many2many")
NUMBERS = ("integer", "float", "monetary", "many2one_reference")
JSON_TYPES = ("json", "properties", "properties_definition")


@dataclass(frozen=True)
class Field:
    """One field.

    `mirror` names the many2many of another model that holds the same links. `related` is the path
    of fields whose end this field shows.
    """

    name: str
    type: str
    string: str
    relation: str = ""
    relation_field: str = ""
    selection: tuple[tuple[str, str], ...] = ()
    required: bool = False
    readonly: bool = False
    digits: int | None = None
    default: Any = None
    mirror: str = ""
    related: str = ""
    domain: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Schema:
    """One model: its label, default order, who may do what, its fields and their table."""

    model: str
    description: str
    order: str
    access: dict[str, tuple[str, ...]]
    fields: dict[str, Field] = field(default_factory=dict)
    table: str = ""


def links_table(model: str, field: Field) -> tuple[str, str, str]:
    """Table and columns (this side, other side) of a many2many."""
    if field.mirror:
        other, _, name = field.mirror.rpartition(".")
        return f"rel_{other.replace('.', '_')}__{name}", "other_id", "this_id"
    return f"rel_{model.replace('.', '_')}__{field.name}", "this_id", "other_id"


MAGIC = (
    Field("id", "integer", "ID", readonly=True),
    Field("display_name", "char", "Display Name", readonly=True),
    Field("create_uid", "many2one", "Created by", relation="res.users", readonly=True),
    Field("create_date", "datetime", "Created on", readonly=True),
    Field("write_uid", "many2one", "Last Updated by", relation="res.users", readonly=True),
    Field("write_date", "datetime", "Last Updated on", readonly=True),
)


@cache
def schemas() -> dict[str, Schema]:
    raw = json.loads(files(__package__).joinpath("schema.json").read_text("utf-8"))
    return {model: _schema(model, entry) for model, entry in raw.items()}


def _schema(model: str, entry: dict[str, Any]) -> Schema:
    fields = {item.name: item for item in MAGIC}
    fields |= {name: _field(name, value) for name, value in entry["fields"].items()}
    access = {operation: tuple(groups) for operation, groups in entry["access"].items()}
    # Two models may be views of the same records.
    table = entry.get("table", model.replace(".", "_"))
    return Schema(model, entry["description"], entry["order"], access, fields, table)


def _field(name: str, value: dict[str, Any]) -> Field:
    value = dict(value)
    value["selection"] = tuple((key, label) for key, label in value.get("selection", ()))
    value["domain"] = tuple(tuple(term) for term in value.get("domain", ()))
    if value.get("digits"):
        value["digits"] = value["digits"][1]
    return Field(name, **value)
