"""The ledger of billed lines reads back as it was written, and stays small."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.billing.book import Book
from contracts.billing.time import BilledTime
from tests.unit.examples import euros

rows = st.builds(
    BilledTime,
    hours=st.integers(-(10**6), 10**6).map(lambda n: Decimal(n) / 100),
    price=st.integers(0, 10**9).map(lambda n: Decimal(n) / 10**4),
    charge=st.from_regex(r"[a-z][a-z|:0-9-]{0,30}", fullmatch=True),
    uncharged=st.none() | st.integers(0, 10**6).map(lambda n: euros(f"{n}.50")),
)


@given(st.dictionaries(st.integers(1, 10**9), rows, max_size=30))
def test_a_ledger_survives_json(time: dict[int, BilledTime]) -> None:
    book = Book(time=time)
    again = Book.model_validate_json(book.model_dump_json())
    assert again.time == time
    assert again == book
    assert Book.model_validate(book.model_dump()) == book


def test_five_years_of_ten_people_take_a_quarter_of_what_a_payload_may_have() -> None:
    """Temporal takes 2 MB: 13,200 lines of 60 months in two prices."""
    time = {
        1_000_000 + number: BilledTime(
            hours=Decimal("7.50"),
            price=Decimal(100 + number % 2),
            charge=f"development:20{26 + number // 2640}-{number % 12 + 1:02d}-01:1",
        )
        for number in range(13_200)
    }
    assert len(Book(time=time).model_dump_json()) < 500_000
