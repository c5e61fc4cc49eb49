"""Payment terms and when an invoice falls due."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

IMMEDIATE = "Immediate Payment"


@dataclass(frozen=True)
class TermLine:
    """A share of the invoice and its delay after the invoice date."""

    percent: Decimal
    days: int
    kind: str = "days_after"

    def due(self, start: date) -> date:
        if self.kind == "days_after_end_of_next_month":
            return _end_of_month(_next_month(start)) + timedelta(days=self.days)
        if self.kind == "days_end_of_month_on_the_10th":
            end = _end_of_month(start + timedelta(days=self.days))
            return _next_month(end).replace(day=10)
        return start + timedelta(days=self.days)


def _days(days: int, kind: str = "days_after") -> tuple[TermLine, ...]:
    return (TermLine(Decimal(100), days, kind),)


TERMS: dict[str, tuple[str, tuple[TermLine, ...]]] = {
    IMMEDIATE: ("immediate", _days(0)),
    "15 Days": ("15days", _days(15)),
    "21 Days": ("21days", _days(21)),
    "30 Days": ("30days", _days(30)),
    "45 Days": ("45days", _days(45)),
    "End of Following Month": (
        "end_following_month",
        _days(0, "days_after_end_of_next_month"),
    ),
    "10 Days after End of Next Month": (
        "30_days_end_month_the_10",
        _days(10, "days_after_end_of_next_month"),
    ),
    "30% Now, Balance 60 Days": (
        "advance_60days",
        (TermLine(Decimal(30), 0), TermLine(Decimal(70), 60)),
    ),
    "2/7 Net 30": ("30days_early_discount", _days(30)),
    "90 days, on the 10th": ("90days_on_the_10th", _days(90, "days_end_of_month_on_the_10th")),
    "14 Days": ("", _days(14)),
}
"""Name -> (external id after `account.account_payment_term_`, lines), as Odoo's data has them;
"14 Days" is the firm's own."""


def installments(
    term: str | None, start: date, total: Decimal, decimals: int
) -> list[tuple[date, Decimal]]:
    """Due dates and amounts; the last part takes what rounding leaves."""
    _, lines = TERMS.get(term or IMMEDIATE, TERMS[IMMEDIATE])
    quantum = Decimal(1).scaleb(-decimals)
    parts = [
        (line.due(start), (total * line.percent / 100).quantize(quantum, ROUND_HALF_UP))
        for line in lines[:-1]
    ]
    rest = total - sum((amount for _, amount in parts), Decimal(0))
    return [*parts, (lines[-1].due(start), rest)]


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _end_of_month(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])
