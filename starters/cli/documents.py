"""Documents and values as people write them: JSON, TOML or CSV, with numbers kept as text."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starters.cli.errors import UsageError

if TYPE_CHECKING:
    from contracts.model import JsonObject
    from contracts.problems import InvalidContract

STANDARD_INPUT = "-"
MAX_BYTES = 1_000_000
"""Of a file, however it is laid out; of what it says, `contracts.validation` has the limit."""


def read(name: str) -> JsonObject:
    """The contract data in a file, or on standard input for `-`.

    Raises UsageError where there is no such file, InvalidContract where it cannot be read.
    """
    document = _parsed(name, "TOML", _toml)
    if not isinstance(document, dict):
        raise _malformed(name, "an object with the contract's fields")
    return document


def rows(name: str, field: str) -> list[JsonObject]:
    """The rows in a file, or on standard input for `-`: CSV with a heading, or a JSON list, or a
    JSON object with the list in `field`. Raises as `read` does, also where there are none."""
    found = _parsed(name, "CSV", _csv)
    if isinstance(found, dict):
        found = found.get(field)
    if not isinstance(found, list):
        raise _malformed(name, f"a list of {field}")
    if not found:
        raise UsageError(f"{name} has no {field}")
    return found


def _parsed(name: str, kind: str, parse: Callable[[str], Any]) -> Any:
    """What a file says as JSON, or in the other format if its ending or its content says so."""
    text = _text(name)
    is_other = name.endswith(f".{kind.lower()}") or (
        not name.endswith(".json") and not text.lstrip().startswith(("{", "["))
    )
    try:
        return parse(text) if is_other else _json(text)
    except (ValueError, RecursionError) as error:
        expected = f"a {kind if is_other else 'JSON'} document ({error or 'nested too deeply'})"
        raise _malformed(name, expected) from None


def _csv(text: str) -> list[JsonObject]:
    import csv

    reader = csv.DictReader(io.StringIO(text), strict=True, skipinitialspace=True)
    found = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"line {reader.line_num} has another number of columns")
            found.append(dict(row))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return found


def changes(settings: Sequence[str]) -> dict[str, Any]:
    """`path=value` pairs; a value is read as JSON where it is JSON, else taken as text."""
    found: dict[str, Any] = {}
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator or not path.strip():
            raise UsageError(
                f"--set takes path=value, such as customer.vat_number=BE0477472701, not {setting!r}"
            )
        found[path.strip()] = value(text)
    return found


def value(text: str) -> Any:
    """A value as JSON if it is some, else the text; decimals stay text: no float holds cents."""
    try:
        return _json(text)
    except (ValueError, RecursionError):
        return text


def _text(name: str) -> str:
    try:
        if name == STANDARD_INPUT:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{name} is larger than {MAX_BYTES} bytes: that is no contract")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _malformed(name, "text in UTF-8") from None


def _json(text: str) -> Any:
    return json.loads(
        text, parse_float=str, parse_constant=str, object_pairs_hook=_with_each_key_once
    )


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> JsonObject:
    found: JsonObject = dict(pairs)
    if len(found) < len(pairs):
        from contracts.problems import show

        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{show(twice)} is stated twice in one object")
    return found


def _toml(text: str) -> Any:
    import tomllib

    return _plain(tomllib.loads(text, parse_float=str))


def _plain(node: Any) -> Any:
    """TOML's dates as the text JSON would hold."""
    if isinstance(node, dict):
        return {key: _plain(item) for key, item in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node.isoformat() if isinstance(node, (date, datetime, time)) else node


def _malformed(name: str, expected: str) -> InvalidContract:
    from contracts.problems import InvalidContract, Problem

    shown = "standard input" if name == STANDARD_INPUT else name
    return InvalidContract([Problem(code="file_malformed", field=shown, expected=expected)])
