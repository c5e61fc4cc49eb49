"""Anchors: what a day's end of all chains of a legal entity was, signed, one behind the other.

An anchor names the chains that have grown since the one before, and has a hash over the ends of
all. So the ends of all chains follow from the anchors up to a day, and each anchor says what they
must come to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from contracts.audit import merkle
from contracts.audit.entries import canonical, sha256
from contracts.audit.merkle import Head
from contracts.model import Frozen

_ANCHORS = "anchors/"
_DIGITS = 8
MAX_HEADS = 20_000
"""In an anchor: of a day with more there are several."""


class Anchor(Frozen):
    """The ends of all chains of a legal entity at a time (ISO, UTC): those that have grown are in
    `heads`, `root` is over the ends of all `chains`, `prev` the hash of the anchor before. It is
    signed by the key of `key_id`; `timestamp` is a token of RFC 3161, as Base64."""

    number: int
    legal_entity: str
    at: str
    chains: int
    root: str
    heads: dict[str, Head]
    prev: str = ""
    key_id: str = ""
    signature: str = ""
    timestamp: str = ""

    @property
    def signed_part(self) -> bytes:
        """What is signed, and what a timestamp is of."""
        return canonical(self.model_dump(mode="json", exclude={"signature", "timestamp"}))

    @property
    def content(self) -> bytes:
        """As it is stored."""
        return canonical(self.model_dump(mode="json"))

    @property
    def hash(self) -> str:
        return sha256(self.model_dump(mode="json"))


class AnchorDue(Frozen):
    """What the daily schedule of a legal entity asks for; its days are those of its zone."""

    legal_entity: str
    time_zone: str


class Known(NamedTuple):
    """What anchors say: the ends of all chains, the number and the hash of the last anchor."""

    heads: Mapping[str, Head]
    number: int = 0
    prev: str = ""


NOTHING = Known({})


def anchored(legal_entity: str, known: Known, grown: Mapping[str, Head], at: str) -> Anchor:
    """The next anchor, unsigned: `grown` are the ends of chains that are longer than known."""
    heads = {**known.heads, **grown}
    return Anchor(
        number=known.number + 1,
        legal_entity=legal_entity,
        at=at,
        chains=len(heads),
        root=merkle.root(heads),
        heads=dict(grown),
        prev=known.prev,
    )


def following(known: Known, anchor: Anchor) -> Known:
    """What is known with one anchor more."""
    return Known({**known.heads, **anchor.heads}, anchor.number, anchor.hash)


def problems(legal_entity: str, known: Known, anchor: Anchor) -> Iterable[str]:
    """What is wrong with an anchor behind the others, but for its signature and its root."""
    if (anchor.legal_entity, anchor.number) != (legal_entity, known.number + 1):
        yield f"anchor {known.number + 1} is another one, or missing"
    if anchor.prev != known.prev:
        yield f"anchor {anchor.number} does not follow the one before it"
    for of, head in anchor.heads.items():
        before = known.heads.get(of)
        if before is not None and head.seq <= before.seq:
            yield f"anchor {anchor.number} takes back what was anchored of {of}"


def root_problems(heads: Mapping[str, Head], anchor: Anchor) -> Iterable[str]:
    """Whether the root of an anchor is that over the ends of all chains, as of it."""
    if merkle.root(heads) != anchor.root:
        yield f"anchor {anchor.number} has another root than its chains come to"


def read(content: bytes) -> Anchor | None:
    """A stored anchor; None for what is none."""
    try:
        found = Anchor.model_validate(json.loads(content))
    except (ValueError, ValidationError):
        return None
    return found if found.content == content else None


def anchors_prefix(legal_entity: str) -> str:
    return f"{_ANCHORS}{legal_entity}/"


def anchor_name(legal_entity: str, number: int) -> str:
    return f"{anchors_prefix(legal_entity)}{number:0{_DIGITS}}"
