"""What people read about a wrong value: in our words, whatever pydantic says."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_args

import pytest
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import core_schema

from contracts.billing.usage import UsageRecord
from contracts.problems import expectation, problems_of

RAW = re.compile(r"Input should|should (be|have|match)|valid|[Uu]nable|error", re.IGNORECASE)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Anything(BaseModel):
    """A field of each kind that messages have."""

    count: int = 1
    amount: Decimal = Field(Decimal(1), gt=0, le=100, decimal_places=2)
    name: str = Field("x", min_length=1, max_length=3, pattern="^[a-z]+$")
    flag: bool = True
    on: date = date(2026, 1, 1)
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    colour: Colour = Colour.RED
    side: Literal["firm", "customer"] = "firm"
    rows: list[int] = Field([1], min_length=1, max_length=2)
    inner: BaseModel | None = None
    table: dict[str, int] = {}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("count", "many", "a whole number"),
        ("count", 1.5, "a whole number"),
        ("amount", "x", "a number"),
        ("amount", "0", "more than 0"),
        ("amount", "101", "100 or less"),
        ("amount", "1.001", "at most 2 decimals"),
        ("name", 1, "text"),
        ("name", "toolong", "at most 3 characters"),
        ("name", "A", "text of the form ^[a-z]+$"),
        ("flag", "maybe", "true or false"),
        ("on", "soon", "a date such as 2026-03-31"),
        ("at", "soon", "a moment such as 2026-03-31T12:00:00Z"),
        ("colour", "green", "one of 'red' or 'blue'"),
        ("side", "nobody", "one of 'firm' or 'customer'"),
        ("rows", "x", "a list"),
        ("rows", [1, 2, 3], "at most 2 of these"),
        ("inner", 1, "an object with fields"),
        ("table", 1, "an object with fields"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(field: str, value: Any, expected: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Anything.model_validate({field: value})
    [problem] = problems_of(raised.value)
    assert (problem.field, problem.expected) == (field, expected)


class _Bounds(dict[str, object]):
    """A context that has every bound."""

    def __missing__(self, name: str) -> object:
        return 7


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_no_text_of_pydantic_reaches_people(kind: str) -> None:
    raw = "Input should be a valid thing"
    context = _Bounds(known=True)
    told = expectation({"type": kind, "msg": raw, "ctx": context})
    assert told
    assert not RAW.search(told), told


def test_a_message_of_ours_stays_as_it_is() -> None:
    item = {"type": "key_malformed", "msg": "1 to 64 letters", "ctx": None}
    assert expectation(item) == "1 to 64 letters"
    wrong = {"type": "value_error", "msg": "Value error, no", "ctx": {"error": ValueError("no")}}
    assert expectation(wrong) == "no"


def test_an_id_of_a_usage_record_that_is_too_long_is_a_problem_in_words() -> None:
    with pytest.raises(ValidationError) as failure:
        UsageRecord(id="x" * 101, plan="api", on=date(2026, 5, 4), quantity=Decimal(1))
    [problem] = problems_of(failure.value)
    assert (problem.field, problem.expected) == ("id", "at most 100 bytes")
