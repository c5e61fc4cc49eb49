"""Salesforce's query language, as far as the stand-in needs it: parsed, and answered from rows.

SELECT fields and sub-selects FROM an object WHERE conditions ORDER BY fields LIMIT n. AND and OR
are not mixed without brackets; a text is quoted and nothing else is; a date is not a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)
    | (?P<sign>!=|<=|>=|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_KEYWORDS = {"SELECT", "FROM", "WHERE", "ORDER", "LIMIT", "AND", "OR", "IN", "BY", "ASC", "DESC"}


class MalformedQuery(Exception):
    """The text is no query."""


@dataclass(frozen=True)
class Literal:
    """A value in a condition: `kind` is text, date, datetime, number, boolean or null."""

    kind: str
    value: str


@dataclass(frozen=True)
class Comparison:
    field: str
    operator: str
    literals: tuple[Literal, ...]


@dataclass(frozen=True)
class Junction:
    """Conditions of which all (`AND`) or one (`OR`) is to hold."""

    word: str
    parts: tuple[Condition, ...]


Condition = Comparison | Junction


@dataclass(frozen=True)
class Query:
    fields: tuple[str, ...]
    children: tuple[Query, ...]
    source: str
    where: Condition | None
    order: tuple[tuple[str, bool], ...]
    """Field and whether it descends."""
    limit: int | None


def parsed(text: str) -> Query:
    """Raises MalformedQuery."""
    parser = _Parser(text)
    query = parser.query()
    parser.end()
    return query


def comparisons(condition: Condition | None) -> list[Comparison]:
    if condition is None:
        return []
    if isinstance(condition, Comparison):
        return [condition]
    return [found for part in condition.parts for found in comparisons(part)]


def holds(condition: Condition | None, value_of: Callable[[Comparison], bool]) -> bool:
    """Whether a row meets a condition, by what `value_of` says of each comparison."""
    if condition is None:
        return True
    if isinstance(condition, Comparison):
        return value_of(condition)
    every = (holds(part, value_of) for part in condition.parts)
    return all(every) if condition.word == "AND" else any(every)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise MalformedQuery(f"unexpected token: '{text[position : position + 10]}'")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._at = 0

    def query(self) -> Query:
        self._expect("SELECT")
        fields: list[str] = []
        children: list[Query] = []
        while True:
            if self._take("("):
                children.append(self.query())
                self._expect(")")
            else:
                fields.append(self._name())
            if not self._take(","):
                break
        self._expect("FROM")
        source = self._name()
        where = self._condition() if self._take("WHERE") else None
        order: list[tuple[str, bool]] = []
        if self._take("ORDER"):
            self._expect("BY")
            order.append(self._key())
            while self._take(","):
                order.append(self._key())
        limit = int(self._of_kind("number")) if self._take("LIMIT") else None
        return Query(tuple(fields), tuple(children), source, where, tuple(order), limit)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise MalformedQuery(f"unexpected token: '{self._tokens[self._at][1]}'")

    def _key(self) -> tuple[str, bool]:
        name = self._name()
        descends = self._take("DESC")
        if not descends:
            self._take("ASC")
        return name, descends

    def _condition(self) -> Condition:
        parts = [self._operand()]
        word = ""
        while self._peek() in ("AND", "OR"):
            found = self._peek()
            if word and found != word:
                raise MalformedQuery(f"unexpected token: '{found}'")  # brackets are required
            word = found
            self._at += 1
            parts.append(self._operand())
        return parts[0] if len(parts) == 1 else Junction(word, tuple(parts))

    def _operand(self) -> Condition:
        if self._take("("):
            inner = self._condition()
            self._expect(")")
            return inner
        field = self._name()
        if self._take("IN"):
            self._expect("(")
            literals = [self._literal()]
            while self._take(","):
                literals.append(self._literal())
            self._expect(")")
            return Comparison(field, "IN", tuple(literals))
        operator = self._of_kind("sign")
        if operator in "(),":
            raise MalformedQuery(f"unexpected token: '{operator}'")
        return Comparison(field, operator, (self._literal(),))

    def _literal(self) -> Literal:
        kind, text = self._next()
        if kind == "text":
            unescaped = re.sub(
                r"\\(.)",
                lambda found: _ESCAPED.get(found[1], found[1]),
                text[1:-1],
                flags=re.DOTALL,
            )
            return Literal("text", unescaped)
        if kind in ("date", "datetime", "number"):
            return Literal(kind, text)
        if kind == "name" and text.lower() in ("true", "false"):
            return Literal("boolean", text.lower())
        if kind == "name" and text.lower() == "null":
            return Literal("null", "")
        raise MalformedQuery(f"unexpected token: '{text}'")

    def _name(self) -> str:
        name = self._of_kind("name")
        if name.upper() in _KEYWORDS:
            raise MalformedQuery(f"unexpected token: '{name}'")
        return name

    def _of_kind(self, kind: str) -> str:
        found, text = self._next()
        if found != kind:
            raise MalformedQuery(f"unexpected token: '{text}'")
        return text

    def _peek(self) -> str:
        return self._tokens[self._at][1].upper() if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise MalformedQuery("unexpected token: '<EOF>'")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, word: str) -> bool:
        found = self._peek() == word
        self._at += found
        return found

    def _expect(self, word: str) -> None:
        if not self._take(word):
            found = self._tokens[self._at][1] if self._at < len(self._tokens) else "<EOF>"
            raise MalformedQuery(f"unexpected token: '{found}'")


def sort_key(value: Any) -> tuple[bool, Any]:
    """Nulls come first, as in Salesforce."""
    return value is not None, 0 if value is None else value
