"""Invoice numbers in what payers write: found as people write them, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bank.sums import MAX_ITEMS, sums
from contracts.bank.words import Words, squashed, tail

KNOWN = {squashed(number): number for number in ("INV/2026/00012", "INV/2026/00013", "202600012")}
LENGTHS = {len(number) for number in KNOWN}


def found(*texts: str) -> list[str]:
    return [KNOWN[number] for number in Words(texts).whole(KNOWN, LENGTHS)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["INV/2026/00012"], ["INV/2026/00012"]),
        (["inv 2026 00012 thank you"], ["INV/2026/00012"]),
        (["Inv-2026-00012"], ["INV/2026/00012"]),
        (["INV202600012"], ["INV/2026/00012"]),
        (["payment of INV/20", "26/00012"], ["INV/2026/00012"]),
        (["invoiceINV/2026/00012"], ["INV/2026/00012"]),
        (["INV/2026/00012INV/2026/00013"], ["INV/2026/00012", "INV/2026/00013"]),
        (["INV/2026/00013, INV/2026/00012"], ["INV/2026/00013", "INV/2026/00012"]),
        (["INV/2O26/OOO12"], ["INV/2026/00012"]),
        (["INV/2026/00012 500,00"], ["INV/2026/00012"]),
        (["your 202600012"], ["202600012"]),
        (["factuur202600012"], ["202600012"]),
        (["2026 00012"], ["202600012"]),
        (["Inv. 202600012"], ["202600012"]),
        (["202600012INV/2026/00013"], ["202600012", "INV/2026/00013"]),
        (["202600012202600012"], ["202600012"]),
        (["RINV/2026/00012"], []),
        (["INV/2026/000123"], []),
        (["1202600012"], []),
        (["INV/2026/0001"], []),
        (["INV/2026/00014"], []),
        ([""], []),
        ([], []),
    ],
)
def test_numbers_are_found_as_people_write_them_and_no_others(
    texts: list[str], expected: list[str]
) -> None:
    assert found(*texts) == expected


@given(st.lists(st.text("INV/2026 -.,013", max_size=40), max_size=4))
def test_what_is_found_is_in_the_text(texts: list[str]) -> None:
    words = Words(tuple(texts))
    letters = words.letters.replace("O", "0")
    assert all(squashed(number) in letters for number in found(*texts))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("INV/2026/00012", "12"),
        ("202600012", "12"),
        ("F26-0119", "119"),
        ("2026", "2026"),
        ("X", ""),
    ],
)
def test_the_tail_of_a_number_is_what_counts(number: str, expected: str) -> None:
    assert tail(number) == expected


@pytest.mark.parametrize(
    ("text", "number", "is_short"),
    [
        ("12", "INV/2026/00012", True),
        ("2026/12", "INV/2026/00012", True),
        ("invoice 00012", "INV/2026/00012", True),
        ("10-14", "INV/2026/00012", True),
        ("INV/2026/00009-13", "INV/2026/00012", True),
        ("112", "INV/2026/00012", False),
        ("1.210,12", "INV/2026/00012", False),
        ("paid 12.11.2026", "INV/2026/00012", False),
        ("3", "INV/2026/00003", True),
        ("3", "F-3", False),
        ("10-500", "INV/2026/00012", False),
        ("dd 30.11.2026", "INV/2026/02026", False),
        ("october 2026", "INV/2026/02026", False),
    ],
)
def test_a_short_number_stands_alone(text: str, number: str, is_short: bool) -> None:
    assert Words((text,)).has_short(number) is is_short


def test_a_list_may_end_in_last_digits() -> None:
    words = Words(("INV/2026/00312, 13 and 5",))
    assert [words.has_tail(f"INV/2026/003{end}") for end in ("13", "05", "14")] == [
        True,
        True,
        False,
    ]
    assert not words.has_tail("INV/2026/00305", 2)


@pytest.mark.parametrize(
    "slip",
    [
        "INV/2026/00021",
        "INV/2026/0012",
        "INV/2026/000012",
        "INV/2026/00092",
        "INV 2026 0012",
    ],
)
def test_one_slip_is_seen(slip: str) -> None:
    words = Words((f"Invoice {slip} thanks",))
    assert squashed("INV/2026/00012") in words.misspelt(KNOWN, LENGTHS)


def test_two_slips_are_not() -> None:
    assert Words(("INV/2026/00121",)).misspelt({"INV202600012"}, {12}) == ()


# --- sums ---------------------------------------------------------------------------------------


def test_sums_are_found_with_credit_notes_among_them() -> None:
    ways = sums([100, 200, 300, -50], 250).ways
    assert {frozenset(way) for way in ways} == {frozenset({1, 0, 3}), frozenset({2, 3})}


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=14).flatmap(
        lambda amounts: st.tuples(
            st.just(amounts), st.sets(st.integers(0, len(amounts) - 1), min_size=1, max_size=12)
        )
    )
)
def test_a_sum_of_chosen_amounts_is_found(drawn: tuple[list[int], set[int]]) -> None:
    amounts, chosen = drawn
    found = sums(amounts, sum(amounts[place] for place in chosen), ways=10_000)
    assert found.is_all
    assert tuple(sorted(chosen)) in found.ways
    assert len(set(found.ways)) == len(found.ways)
    wanted = sum(amounts[place] for place in chosen)
    assert all(sum(amounts[place] for place in way) == wanted for way in found.ways)


def test_the_search_is_bounded_and_says_so() -> None:
    assert not sums(list(range(1, 61)), 900, ways=10**9).is_all
    assert sums([2, 4, 6], 5) == ((), True), "known without a search"
    assert sums([10**9 + 7, 10**9 + 9], 2 * 10**9 + 16).ways == ((0, 1),), "too large for a table"
    assert not sums([1] * (MAX_ITEMS + 1), 5_000).is_all
    assert sums([5, 5], 3) == ((), True)
