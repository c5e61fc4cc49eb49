"""What a form sent, read without trust."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from fastapi import Request
from starlette.datastructures import FormData

from starters.web.problems import HttpProblem

ONCE = "once"
"""The field with the id of one rendering of a form: whatever is sent twice with it counts once. (A
field named "form" would hide the form from scripts.)"""
MAX_FIELDS = 2_000
_MAX_LETTERS = 4_000


async def form_of(request: Request) -> FormData:
    """The fields. Raises HttpProblem for what is no form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HttpProblem(415, "a form is expected")
    form = await request.form()
    if len(form.multi_items()) > MAX_FIELDS:
        raise HttpProblem(413, f"at most {MAX_FIELDS} fields")
    return form


def text(form: FormData, name: str, letters: int = _MAX_LETTERS) -> str:
    """A field's text, "" for one that is not there. Raises HttpProblem for one that is too long."""
    value = form.get(name, "")
    if not isinstance(value, str) or len(value) > letters:
        raise HttpProblem(422, f"{name}: at most {letters} characters")
    return value.strip()


def texts(form: FormData, name: str) -> Sequence[str]:
    """Every value of a field that may be there many times."""
    return [value for value in form.getlist(name) if isinstance(value, str)]


def new_id() -> str:
    """The id of a rendering."""
    return secrets.token_urlsafe(12)
