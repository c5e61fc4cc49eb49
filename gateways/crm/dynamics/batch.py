"""OData's `$batch` in its multipart form: many requests in one call, and an answer to each."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from contracts.model import JsonObject


class Part(NamedTuple):
    """One request of a batch; `path` is absolute on the server. One without a body reads."""

    method: str
    path: str
    body: JsonObject | None = None
    headers: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What one part came to; `text` is its body."""

    status: int
    text: str


class MalformedBatch(ValueError):
    """An answer that is not as many answers as there were requests; the message says why."""


def encoded(parts: Sequence[Part], boundary: str) -> bytes:
    """The body of a batch, in which each part is a transaction of its own (no change set)."""
    lines: list[str] = []
    for part in parts:
        lines += [
            f"--{boundary}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            "",
            f"{part.method} {part.path} HTTP/1.1",
            *part.headers,
        ]
        if part.body is not None:
            lines += ["Content-Type: application/json; type=entry", "", json.dumps(part.body)]
        else:
            lines += ["", ""]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


def answers(content_type: str, content: bytes, count: int) -> list[Answer]:
    """The answers in the order of the requests, which OData promises. Raises MalformedBatch."""
    found = re.search(r'boundary="?([^";,\s]{1,200})"?', content_type)
    if found is None or not content_type.lower().startswith("multipart/mixed"):
        raise MalformedBatch(f"a batch was answered as {content_type[:100] or 'no type at all'}")
    delimiter = f"--{found[1]}"
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    sections = f"\n{text}".split(f"\n{delimiter}")
    if not sections[-1].startswith("--"):
        raise MalformedBatch("the answer to a batch is cut off")
    parts = [_answer(section) for section in sections[1:-1]]
    if len(parts) != count:
        raise MalformedBatch(f"a batch of {count} was answered with {len(parts)} answers")
    return parts


def _answer(section: str) -> Answer:
    """Headers of the part, a blank line, then an HTTP answer."""
    _, _, http = section.partition("\n\n")
    head, _, body = http.lstrip("\n").partition("\n\n")
    line = re.match(r"HTTP/1\.\d (\d{3})\b", head)
    if line is None:
        raise MalformedBatch(f"an answer in a batch is no HTTP: {head[:100]!r}")
    return Answer(int(line[1]), body.strip())
