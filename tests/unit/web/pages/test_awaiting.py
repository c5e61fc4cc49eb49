"""What narrows the inbox, and what it knows of decisions that are not carried out yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.approvals import Approval
from starters.client.approvals import ListedRound
from starters.web.pages.awaiting import Filters
from starters.web.pages.decided import Verdicts
from tests.unit.test_mails import HASH, INVOICE, a_round
from tests.world import ANA, eur

NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "amount"), [("5000 EUR", "5000.00"), (" 5000.50  EUR ", "5000.50")]
)
def test_an_amount_narrows_the_inbox(text: str, amount: str) -> None:
    found = Filters.of({"up_to": text})
    assert (found.up_to, found.problem) == (eur(amount), "")


@pytest.mark.parametrize(
    "text", ["5.000,00 EUR", "5,000.00 EUR", "5.000 EUR", "5,000 EUR", "5000", "1e3 EUR", "5 XXX"]
)
def test_an_amount_that_could_be_another_narrows_nothing_and_says_what_is_expected(
    text: str,
) -> None:
    found = Filters.of({"up_to": text})
    assert found.up_to is None
    assert "nothing between the thousands" in found.problem


def test_the_last_word_is_remembered_until_something_else_is_asked_for() -> None:
    given = (Approval(by=ANA, content_hash=HASH, at=NOW),)
    approved, verdicts = a_round(approvals=given), Verdicts()
    verdicts.note(INVOICE, a_round(), NOW)  # a first approval of two is not the last word
    listed = ListedRound(INVOICE, a_round(), NOW - timedelta(days=1))
    assert verdicts.of(listed) is None
    verdicts.note(INVOICE, approved, NOW)
    found = verdicts.of(listed)
    assert found is not None
    assert (found.words, found.at) == ("approved", NOW)
    assert verdicts.of(ListedRound(INVOICE, a_round(), NOW + timedelta(minutes=1))) is None
    other = a_round().subject.replace(content_hash="cd34" * 16)
    assert verdicts.of(ListedRound(INVOICE, a_round().replace(subject=other), None)) is None
