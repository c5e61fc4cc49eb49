"""What is wrong with contract data: each finding by code, field, value and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

_MAX_SHOWN = 120
_MAX_PROBLEMS = 200
"""What one answer carries; who has mended these sees the rest."""

_CODES = {
    "decimal_parsing": "number_malformed",
    "decimal_type": "number_malformed",
    "finite_number": "number_malformed",
    "int_from_float": "number_malformed",
    "int_parsing": "number_malformed",
    "int_parsing_size": "number_out_of_range",
    "int_type": "number_malformed",
    "decimal_max_places": "number_out_of_range",
    "greater_than": "number_out_of_range",
    "greater_than_equal": "number_out_of_range",
    "less_than_equal": "number_out_of_range",
    "bool_parsing": "yes_or_no_expected",
    "bool_type": "yes_or_no_expected",
    "enum": "choice_malformed",
}
"""pydantic's codes that mean the same to people."""


_KNOWN = frozenset(get_args(core_schema.ErrorType))
_EXPECTED = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "at least {min_length} of these",
    "too_long": "at most {max_length} of these",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "text of the form {pattern}",
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
    "int_parsing_size": "a whole number that is not as large",
    "decimal_max_digits": "at most {max_digits} digits",
    "decimal_max_places": "at most {decimal_places} decimals",
    "decimal_whole_digits": "at most {whole_digits} digits before the point",
}
"""What pydantic expects, by its code, with the bounds it names."""
_A_LIST, _AN_OBJECT, _A_NUMBER = "a list", "an object with fields", "a number"
_EXPECTED_OF = {
    "bool": "true or false",
    "int": "a whole number",
    "float": _A_NUMBER,
    "decimal": _A_NUMBER,
    "fraction": _A_NUMBER,
    "complex": _A_NUMBER,
    "finite": _A_NUMBER,
    "string": "text",
    "bytes": "text",
    "date": "a date such as 2026-03-31",
    "datetime": "a moment such as 2026-03-31T12:00:00Z",
    "timezone": "a moment with its time zone, such as 2026-03-31T12:00:00Z",
    "time": "a time of day such as 12:00",
    "time_delta_type": "a duration such as PT1H",
    "time_delta_parsing": "a duration such as PT1H",
    "url": "an address such as https://odoo.example.com",
    "uuid": "a UUID",
    "json": "a JSON document",
    "list": _A_LIST,
    "tuple": _A_LIST,
    "set": _A_LIST,
    "frozen_set_type": _A_LIST,
    "deque": _A_LIST,
    "iterable": _A_LIST,
    "dict": _AN_OBJECT,
    "mapping": _AN_OBJECT,
    "model": _AN_OBJECT,
    "dataclass": _AN_OBJECT,
    "arguments": _AN_OBJECT,
    "none": "no value",
    "missing": "a value",
    "extra": "no such field",
}
"""The same by the code, or by the word it begins with."""


class Problem(BaseModel):
    """One thing wrong with one field, for a person to mend.

    `field` is a path into the contract data, such as `milestones.1.amount`; `value` is the
    offending value as text; `expected` completes the sentence "expected ...".
    """

    code: str
    field: str
    value: str = ""
    expected: str

    def __str__(self) -> str:
        found = f" (found {self.value!r})" if self.value else ""
        return f"{self.field}: expected {self.expected}{found} [{self.code}]"


def finding(code: str, field: str, value: Any, expected: str) -> Problem:
    """A finding about a value, which is shown as short text; None and "" are no value."""
    shown = "" if value in ("", None) else show(value)
    return Problem(code=code, field=field, value=shown, expected=expected)


class InvalidContract(ValueError):
    """Contract data that cannot be accepted; carries all problems found, up to a limit."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = first_of(problems)
        super().__init__("; ".join(map(str, self.problems)))


def first_of(problems: list[Problem]) -> list[Problem]:
    """As many as one answer carries, and how many are left."""
    left = len(problems) - _MAX_PROBLEMS
    if left <= 0:
        return problems
    expected = "these to be mended first"
    more = Problem(
        code="more_problems", field="contract_data", value=f"{left} more", expected=expected
    )
    return [*problems[:_MAX_PROBLEMS], more]


def problems_of(error: ValidationError) -> list[Problem]:
    """pydantic's complaints in our form: code, path, offending value, expectation."""
    found = []
    for item in error.errors(include_url=False):
        code = str(item["type"])
        code = _CODES.get(code, code)
        field = ".".join(show(part) for part in item["loc"]) or "contract_data"
        if code == "missing":
            expected, value = "a value", ""
        elif code == "extra_forbidden":
            code, expected, value = "field_unknown", "no such field", show(item["input"])
        else:
            expected, value = expectation(item), show(item["input"])
        if value == "''" or item["input"] is None:
            code, expected, value = "missing", "a value", ""
        found.append(Problem(code=code, field=field, value=value.strip("'"), expected=expected))
    return [problem for problem in found if not _echo(problem, found)]


def expectation(item: Mapping[str, Any]) -> str:
    """What was expected, in our words: pydantic's own never reach people. `item` is one of the
    errors of a ValidationError."""
    kind, context = str(item["type"]), item.get("ctx") or {}
    if kind not in _KNOWN:
        return str(item["msg"])  # one of ours
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind in _EXPECTED:
        try:
            return _EXPECTED[kind].format_map(context)
        except KeyError:
            return str(item["msg"])  # one of ours, under a code of pydantic's
    head = kind.partition("_")[0]
    return _EXPECTED_OF.get(kind) or _EXPECTED_OF.get(head) or "another value"


def _echo(problem: Problem, found: list[Problem]) -> bool:
    """Whether a complaint only repeats another: the contract's currency in each amount, or a list
    that is too short because its rows were refused."""
    if problem.code == "currency_unknown" and problem.field != "currency":
        return any(p.field == "currency" and p.value == problem.value for p in found)
    return problem.code == "too_short" and any(
        p.field.startswith(f"{problem.field}.") for p in found
    )


def show(value: Any) -> str:
    """A value as short text for a message."""
    if isinstance(value, dict) and value and value.keys() <= {"amount", "currency"}:
        value = " ".join(str(part) for part in value.values() if part is not None)
    if isinstance(value, str) and not value:
        return "''"
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:
        # Python writes no whole number of more than some thousand digits.
        return "a number of thousands of digits"
    # Half a surrogate pair can stand in a str, but in no JSON or UTF-8 that a problem goes into.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
