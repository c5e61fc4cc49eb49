"""One hash over the ends of all chains: a tree of hashes, as in RFC 6962."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from contracts.audit.entries import canonical
from contracts.model import Frozen

_LEAF, _NODE = b"\x00", b"\x01"
"""A leaf is never taken for a node."""


class Head(Frozen):
    """The end of a chain: the number of its last record, and its hash."""

    seq: int
    hash: str


def root(heads: Mapping[str, Head]) -> str:
    """The root over the ends of chains by their names, in hexadecimal digits; the hash of nothing
    where there are none."""
    level = [_leaf(of, heads[of]) for of in sorted(heads)]
    if not level:
        return hashlib.sha256().hexdigest()
    while len(level) > 1:
        pairs = [level[place : place + 2] for place in range(0, len(level), 2)]
        # An odd one goes up as it is.
        level = [_node(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex()


def _leaf(of: str, head: Head) -> bytes:
    return hashlib.sha256(_LEAF + canonical([of, head.seq, head.hash])).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
