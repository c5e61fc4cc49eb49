"""What browsers load beside pages: kept in memory, under names that hold their hash.

A name never means another content, so browsers keep it for ever; a new release has new names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

from fastapi import APIRouter, Response

from starters.web.problems import HttpProblem

PREFIX = "/static"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_HASH_LETTERS = 12


@dataclass(frozen=True)
class StaticFile:
    name: str
    media_type: str
    content: bytes


def _read() -> dict[str, StaticFile]:
    """The files of this package by their own names."""
    folder = resources.files(__package__) / "static"
    found = {}
    for item in folder.iterdir():
        media_type = _TYPES.get(item.name.rpartition(".")[2])
        if media_type is not None:
            content = item.read_bytes()
            stem, _, ending = item.name.rpartition(".")
            digest = hashlib.sha256(content).hexdigest()[:_HASH_LETTERS]
            found[item.name] = StaticFile(f"{stem}-{digest}.{ending}", media_type, content)
    return found


FILES = _read()
_BY_NAME = {item.name: item for item in FILES.values()}


def address(name: str) -> str:
    """Where browsers find a file, such as `c2c.css`."""
    return f"{PREFIX}/{FILES[name].name}"


routes = APIRouter(include_in_schema=False)


@routes.get(PREFIX + "/{name}")
async def static(name: str) -> Response:
    """One file; public, as it says nothing of anybody."""
    found = _BY_NAME.get(name)
    if found is None:
        raise HttpProblem(404, "there is no such thing")
    headers = {"Cache-Control": _FOR_EVER}
    return Response(found.content, media_type=found.media_type, headers=headers)
