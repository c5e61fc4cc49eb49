"""What is wrong with contract data: each finding by code, field, value and what is expected."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

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
            expected, value = item["msg"], show(item["input"])
        if value == "''" or item["input"] is None:
            code, expected, value = "missing", "a value", ""
        found.append(Problem(code=code, field=field, value=value.strip("'"), expected=expected))
    return [problem for problem in found if not _echo(problem, found)]


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
