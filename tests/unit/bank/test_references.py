"""Structured references: their normal forms, and that their check digits catch slips."""

from __future__ import annotations

import pytest
import stdnum.be.ogm_vcs
import stdnum.ch.esr
import stdnum.iso7064.mod_97_10
from hypothesis import given
from hypothesis import strategies as st

from contracts.bank.references import forms, is_finnish, is_kid


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("RF18 5390 0754 7034", ("RF18539007547034",)),
        ("rf07inv000147", ("RF07INV000147",)),
        ("RF07 INV0 0014 7", ("RF07INV000147",)),
        ("RF08 INV0 0014 7", ()),
        ("+++090/9337/55493+++", ("90933755493",)),
        ("090933755493", ("90933755493",)),
        ("+++090/9337/55494+++", ()),
        ("21 00000 00003 13947 14300 09017", ("210000000003139471430009017",)),
        ("21 00000 00003 13947 14300 09018", ()),
        ("1234561", ("1234561",)),
        ("00012 34561", ("1234561",)),
        ("INV/2026/00012", ()),
        ("000000000000", ()),
        ("", ()),
        ("-", ()),
        ("RF", ()),
        ("9" * 5_000, ()),
    ],
)
def test_a_reference_has_a_normal_form_if_its_check_digits_are_right(
    written: str, expected: tuple[str, ...]
) -> None:
    assert forms(written) == expected


def test_finnish_references_weigh_7_3_1() -> None:
    # Worked by hand: 3*7 + 2*3 + 1*1 = 28, and 2 makes 30.
    assert is_finnish("1232")
    assert is_finnish("1234561")
    assert not is_finnish("13"), "too short to be any"


@given(st.text("0123456789", min_size=3, max_size=19), st.integers(0, 18), st.integers(1, 9))
def test_one_wrong_digit_is_no_finnish_reference(base: str, place: int, off: int) -> None:
    [right] = [f"{base}{check}" for check in range(10) if is_finnish(f"{base}{check}")]
    place %= len(right)
    wrong = right[:place] + str((int(right[place]) + off) % 10) + right[place + 1 :]
    assert not is_finnish(wrong)


@pytest.mark.parametrize(
    ("digits", "is_right"),
    [
        ("2345676", True),
        ("12345678903", True),
        ("1234567-", False),
        ("2345677", False),
        ("23", False),
    ],
)
def test_a_kid_has_a_check_digit_of_modulus_10_or_11(digits: str, is_right: bool) -> None:
    assert is_kid(digits) is is_right


def test_a_kid_may_end_in_a_dash() -> None:
    ends = [f"{head}-" for head in range(1_000, 1_050) if is_kid(f"{head}-")]
    assert ends
    assert forms(ends[0]) == (ends[0],)


_DIGITS = st.text("0123456789", min_size=10, max_size=10).filter(lambda text: text.strip("0"))


@given(_DIGITS, st.integers(0, 11), st.integers(1, 9))
def test_one_wrong_digit_is_no_belgian_reference(base: str, place: int, off: int) -> None:
    right = base + stdnum.be.ogm_vcs.calc_check_digits(base)
    assert forms(right) == (right.lstrip("0"),)
    wrong = right[:place] + str((int(right[place]) + off) % 10) + right[place + 1 :]
    assert not stdnum.be.ogm_vcs.is_valid(wrong)


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=21))
def test_an_iso_reference_is_the_same_with_blanks(base: str) -> None:
    right = f"RF{stdnum.iso7064.mod_97_10.calc_check_digits(base + 'RF')}{base}"
    spaced = " ".join(right[start : start + 4] for start in range(0, len(right), 4))
    assert forms(spaced)[0] == forms(right.lower())[0] == right


@given(st.text("0123456789", min_size=26, max_size=26).filter(lambda text: text.strip("0")))
def test_a_swiss_reference_has_27_digits(base: str) -> None:
    right = base + stdnum.ch.esr.calc_check_digit(base)
    assert forms(stdnum.ch.esr.format(right)) == (right.lstrip("0"),)
