"""What a page gives as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from starlette.responses import Response

CSV = "text/csv; charset=utf-8"
JSON_LINES = "application/jsonl; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def attachment(text: str, name: str, media_type: str) -> Response:
    """A text that the browser keeps under this name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=media_type, headers=headers)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with these columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def no_formula(text: str) -> str:
    """A text of others as a program for tables shows it, and does not reckon with it."""
    return f"'{text}" if text.startswith(_FORMULA) else text
