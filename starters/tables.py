"""Files for programs for tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A file with these columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def no_formula(text: str) -> str:
    """A text of others as a program for tables shows it, and does not reckon with it."""
    return f"'{text}" if text.startswith(_FORMULA) else text
