"""What stands in addresses and headers, with its bounds."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query

from starters.client.names import MAX_LISTED
from starters.client.wire import REQUEST_ID_HEADER, REQUEST_ID_PATTERN

_KEY = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_KEY_OR_NONE = r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$"
DEFAULT_LIMIT = 50

Entity = Annotated[
    str,
    Path(pattern=_KEY, description="The key of the legal entity.", examples=["northwind"]),
]
Contract = Annotated[str, Path(pattern=_KEY, description="The contract's id.", examples=["C-1001"])]
Number = Annotated[
    int, Path(ge=1, le=999_999, description="The invoice's number in its contract.", examples=[1])
]
FileHash = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{64}$",
        description="The SHA-256 of the bank's file.",
        examples=["3f2a9c0d1e2f" + "0" * 52],
    ),
]
RequestId = Annotated[
    str | None,
    Header(
        alias=REQUEST_ID_HEADER,
        pattern=REQUEST_ID_PATTERN,
        description="The id of the request: sent again with it, it counts once and gets the first "
        "answer. Left out, every request is one of its own.",
        examples=["ticket-4711"],
    ),
]
OfEntity = Annotated[
    str,
    Query(
        alias="entity",
        pattern=_KEY_OR_NONE,
        description="Only of this legal entity; else of all in which you have a role.",
    ),
]
Limit = Annotated[
    int, Query(ge=1, le=MAX_LISTED, description="At most so many are listed, or looked at.")
]
