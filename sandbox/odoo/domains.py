"""Odoo search domains, compiled to SQL conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sandbox.odoo.schema import JSON_TYPES, TO_MANY, Field, Schema, links_table

COMPARISONS = ("<", "<=", ">", ">=")
PATTERNS = ("like", "ilike", "=like", "=ilike", "not like", "not ilike")
OPERATORS = ("=", "!=", "in", "not in", "any", "not any", "child_of", *COMPARISONS, *PATTERNS)


@dataclass(frozen=True)
class Condition:
    """A piece of SQL with its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()

    def negated(self) -> Condition:
        return Condition(f"NOT ({self.sql})", self.parameters)


EVERYTHING = Condition("1")
NOTHING = Condition("0")


def compile_domain(schemas: dict[str, Schema], model: str, domain: list[Any]) -> Condition:
    """The condition of a whole domain; terms without a connective are joined by "and"."""
    stack: list[Condition] = []
    for item in reversed(domain):
        if item in ("&", "|"):
            if len(stack) < 2:
                raise ValueError(f"Domain() malformed domain {domain!r}")
            stack.append(_joined(item, stack.pop(), stack.pop()))
        elif item == "!":
            if not stack:
                raise ValueError(f"Domain() malformed domain {domain!r}")
            stack.append(stack.pop().negated())
        elif isinstance(item, list | tuple) and len(item) == 3:
            stack.append(_term(schemas, model, tuple(item)))
        else:
            raise ValueError(f"Domain() invalid item in domain: {item!r}")
    result = EVERYTHING
    for condition in reversed(stack):
        result = condition if result is EVERYTHING else _joined("&", result, condition)
    return result


def _joined(connective: str, left: Condition, right: Condition) -> Condition:
    word = "AND" if connective == "&" else "OR"
    return Condition(f"({left.sql} {word} {right.sql})", left.parameters + right.parameters)


def _term(schemas: dict[str, Schema], model: str, term: tuple[Any, ...]) -> Condition:
    path, operator, value = term
    schema = schemas[model]
    if term in ((1, "=", 1), (0, "=", 1)):
        return EVERYTHING if path else NOTHING
    name, _, rest = str(path).partition(".")
    field = schema.fields.get("name" if name == "display_name" else name)
    if field is not None and field.related:
        return _term(
            schemas, model, (".".join(filter(None, [field.related, rest])), operator, value)
        )
    if field is None:
        raise ValueError(f"Invalid field {model}.{name} in condition {term!r}")
    if operator not in OPERATORS:
        raise ValueError(f"Invalid operator in condition {term!r}")
    if field.name == "analytic_distribution":
        return _distribution(field, operator, value)
    if rest and field.type in JSON_TYPES:
        return _property(schema, field, rest, operator, value)
    if rest:
        return _through(schema, field, compile_domain(schemas, field.relation, [(rest, *term[1:])]))
    if operator in ("any", "not any"):
        inner = _through(schema, field, compile_domain(schemas, field.relation or model, value))
        return inner if operator == "any" else inner.negated()
    if operator == "child_of":
        return _below(schemas, schema, field, value)
    if field.relation and _by_name(operator, value):
        return _related_name(schemas, schema, field, operator, value)
    if field.type in TO_MANY:
        return _to_many(schema, field, operator, value)
    return _column(schema, field, operator, value)


def _below(schemas: dict[str, Schema], schema: Schema, field: Field, value: Any) -> Condition:
    """Records in the tree below some, which are part of it, by their `parent_id`."""
    related = schema if field.name == "id" else schemas[field.relation]
    roots = _one_of("id", list(value) if isinstance(value, list | tuple) else [value])
    if "parent_id" not in related.fields:
        return _through(schema, field, roots)
    tree = (
        f"id IN (WITH RECURSIVE below(record) AS (SELECT id FROM {related.table} WHERE {roots.sql}"
        f" UNION SELECT child.id FROM {related.table} AS child"
        " JOIN below ON child.parent_id = below.record) SELECT record FROM below)"
    )
    return _through(schema, field, Condition(tree, roots.parameters))


def _by_name(operator: str, value: Any) -> bool:
    return operator in PATTERNS or (isinstance(value, str) and operator in ("=", "!="))


def _related_name(
    schemas: dict[str, Schema], schema: Schema, field: Field, operator: str, value: Any
) -> Condition:
    """A comparison of a relation with text looks at the related record's name."""
    negative = operator in ("!=", "not like", "not ilike")
    positive = {"!=": "=", "not like": "like", "not ilike": "ilike"}.get(operator, operator)
    named = compile_domain(schemas, field.relation, [("name", positive, value)])
    found = _through(schema, field, named)
    return found.negated() if negative else found


def _through(schema: Schema, field: Field, inner: Condition) -> Condition:
    """Records with a related record that meets `inner`."""
    related = field.relation.replace(".", "_") or schema.table
    if field.name == "id":
        return Condition(f"id IN (SELECT id FROM {related} WHERE {inner.sql})", inner.parameters)
    if field.type == "one2many":
        back = f'"{field.relation_field}"'
        sql = f"id IN (SELECT {back} FROM {related} WHERE {back} IS NOT NULL AND {inner.sql})"
    elif field.type == "many2many":
        table, this, other = links_table(schema.model, field)
        chosen = f"{other} IN (SELECT id FROM {related} WHERE {inner.sql})"
        sql = f"id IN (SELECT {this} FROM {table} WHERE {chosen})"
    else:
        sql = (
            f'("{field.name}" IS NOT NULL AND "{field.name}" IN'
            f" (SELECT id FROM {related} WHERE {inner.sql}))"
        )
    return Condition(sql, inner.parameters)


def _to_many(schema: Schema, field: Field, operator: str, value: Any) -> Condition:
    values = value if isinstance(value, list | tuple) else [value]
    ids = [int(item) for item in values if item]
    linked = _through(schema, field, _one_of("id", ids))
    if any(not item for item in values):
        anything = _through(schema, field, EVERYTHING).negated()
        linked = _joined("|", linked, anything) if ids else anything
    return linked.negated() if operator in ("!=", "not in") else linked


def _one_of(column: str, values: list[Any]) -> Condition:
    if not values:
        return NOTHING
    return Condition(f"{column} IN ({', '.join('?' * len(values))})", tuple(values))


def _column(schema: Schema, field: Field, operator: str, value: Any) -> Condition:
    # In brackets: SQLite takes an unknown name in double quotes for text.
    column = f"[{field.name}]"
    if field.type == "datetime":
        column = f"substr({column}, 1, 19)"
    elif field.type == "boolean":
        column = f"COALESCE({column}, 0)"
        value = [bool(v) for v in value] if isinstance(value, list | tuple) else bool(value)
    elif field.type in ("integer", "float", "monetary") and field.name != "id":
        column = f"COALESCE({column}, 0)"
    if operator in PATTERNS:
        return _pattern(column, operator, value)
    if operator in COMPARISONS:
        if value is False or value is None:
            return NOTHING
        return Condition(f"{column} {operator} ?", (_comparable(field, value),))
    values = list(value) if isinstance(value, list | tuple) else [value]
    found = _equal_to_any(field, column, values)
    return found.negated() if operator in ("!=", "not in") else found


def _equal_to_any(field: Field, column: str, values: list[Any]) -> Condition:
    empty = field.type not in ("boolean", "integer", "float", "monetary") and any(
        value is False or value is None or value == "" for value in values
    )
    wanted = [_comparable(field, v) for v in values if not (empty and not v)]
    present = _one_of(column, wanted)
    some = Condition(f"({column} IS NOT NULL AND {present.sql})", present.parameters)
    if not empty:
        return some
    return _joined("|", some, Condition(f"({column} IS NULL OR {column} = '')"))


def _comparable(field: Field, value: Any) -> Any:
    """The value as the column holds it; a bare date means its first second."""
    if isinstance(value, bool):
        return int(value)
    if field.type == "datetime":
        text = str(value)[:19].replace("T", " ")
        return text if len(text) > 10 else f"{date.fromisoformat(text)} 00:00:00"
    if field.type == "date":
        return str(datetime.strptime(str(value)[:10], "%Y-%m-%d").date())  # noqa: DTZ007
    return value


def _pattern(column: str, operator: str, value: Any) -> Condition:
    text = "" if value is False or value is None else str(value)
    negative = operator.startswith("not ")
    operator = operator.removeprefix("not ")
    pattern = text if operator.startswith("=") else f"%{text}%"
    sql = f"odoo_like({column}, ?, ?)"
    condition = Condition(sql, (pattern, int(operator.endswith("ilike"))))
    return condition.negated() if negative else condition


def _property(schema: Schema, field: Field, name: str, operator: str, value: Any) -> Condition:
    """A property field (`lead_properties.status`), kept as a JSON object."""
    column = f"json_extract(\"{field.name}\", '$.' || ?)"
    if operator in PATTERNS:
        pattern = _pattern(column, operator, value)
        return Condition(pattern.sql, (name, *pattern.parameters))
    if value is False:
        empty = Condition(f"COALESCE({column}, 0) IN (0, '')", (name,))
        return empty if operator == "=" else empty.negated()
    return Condition(f"COALESCE({column}, '') {operator} ?", (name, value))


def _distribution(field: Field, operator: str, value: Any) -> Condition:
    """Which analytic accounts, by id, an amount is spread over."""
    if operator not in ("=", "in", "!=", "not in"):
        raise ValueError(f"Operation not supported: analytic_distribution {operator}")
    keys = [str(item) for item in (value if isinstance(value, list | tuple) else [value]) if item]
    named = _one_of("key", list(keys))
    sql = f"EXISTS (SELECT 1 FROM json_each(COALESCE(\"{field.name}\", '{{}}')) WHERE {named.sql})"
    found = Condition(sql, named.parameters)
    return found if operator in ("=", "in") else found.negated()


def odoo_like(value: Any, pattern: str, insensitive: int) -> int:
    """SQL LIKE as PostgreSQL has it: case counts unless asked otherwise, NULL never matches."""
    if value is None:
        return 0
    return int(bool(_regex(pattern, bool(insensitive)).fullmatch(str(value))))


@lru_cache(256)
def _regex(pattern: str, insensitive: bool) -> re.Pattern[str]:
    translated = {"%": ".*", "_": "."}
    body = "".join(translated.get(ch, re.escape(ch)) for ch in pattern)
    return re.compile(body, re.DOTALL | (re.IGNORECASE if insensitive else 0))
