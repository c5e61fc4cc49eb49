"""Anchors in a record store: made, signed, read, checked."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from contracts.audit import anchors
from contracts.audit.anchors import Anchor, Known
from contracts.audit.merkle import Head
from contracts.audit.records import Verdict, entity_prefixes
from gateways import errors
from gateways.audit.chains import SYSTEM, Chains
from gateways.audit.removals import removed_chains, verdict_of
from gateways.errors import GatewayError
from gateways.record_store.protocol import RecordStore


@dataclass(frozen=True, repr=False)
class Signer:
    """Signs anchors, by an Ed25519 key of a file that is read for each."""

    file: Path

    def signed(self, anchor: Anchor) -> Anchor:
        """The anchor with its signature. Raises GatewayError `audit_key_unusable`."""
        key = self._key()
        named = anchor.replace(key_id=key_id(key.public_key()))
        signature = base64.b64encode(key.sign(named.signed_part)).decode()
        return named.replace(signature=signature)

    def public(self) -> Ed25519PublicKey:
        return self._key().public_key()

    def _key(self) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key(self.file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _unusable(self.file, str(error)) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _unusable(self.file, "it is no Ed25519 key")
        return key


def public_keys(signer: Signer | None, files: Iterable[Path]) -> dict[str, Ed25519PublicKey]:
    """The keys that anchors are checked by, by their ids. Raises GatewayError."""
    found = [signer.public()] if signer else []
    for file in files:
        try:
            key = load_pem_public_key(file.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise _unusable(file, str(error)) from None
        if not isinstance(key, Ed25519PublicKey):
            raise _unusable(file, "it is no Ed25519 key")
        found.append(key)
    return {key_id(key): key for key in found}


def key_id(key: Ed25519PublicKey) -> str:
    """What a key is known by: the beginning of its hash."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


# --- making ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """The anchor that was made, and the chains that are not whole: they are not anchored any
    further."""

    anchor: Anchor
    broken: tuple[Verdict, ...] = ()


def make(chains: Chains, legal_entity: str, at: str, signer: Signer | None) -> Made:
    """Anchor the chains of a legal entity at a time (ISO, UTC); done again for the same time, it is
    the same anchor. Raises GatewayError."""
    known, last = known_of(chains.store, legal_entity)
    removed = removed_chains(chains.store, legal_entity)
    grown: dict[str, Head] = {}
    broken = []
    for of, found in chains.grown(entity_prefixes(legal_entity), known.heads):
        if isinstance(found, Verdict):
            if not _is_removed(of, removed, known):
                broken.append(found)
        else:
            grown[of] = found
    if last is not None and last.at == at:
        return Made(last, tuple(broken))
    parts = _parts(grown)
    for part in parts:
        anchor = anchors.anchored(legal_entity, known, part, at)
        anchor = signer.signed(anchor) if signer else anchor
        chains.store.create(anchors.anchor_name(legal_entity, anchor.number), anchor.content)
        known = anchors.following(known, anchor)
    return Made(anchor, tuple(broken))


def _is_removed(of: str, removed: Mapping[str, Head], known: Known) -> bool:
    """Whether a chain that is not whole was removed by a rule, up to what is known of it."""
    if of not in removed:
        return False
    head = known.heads.get(of)
    return verdict_of(of, removed[of], {head.seq: head.hash} if head else {}) is not None


def _parts(grown: Mapping[str, Head]) -> list[dict[str, Head]]:
    """The heads of each anchor of a day; of one on which nothing has grown there is one, too."""
    items = list(grown.items())
    starts = range(0, max(len(items), 1), anchors.MAX_HEADS)
    return [dict(items[start : start + anchors.MAX_HEADS]) for start in starts]


# --- reading --------------------------------------------------------------------------------------


def stored(store: RecordStore, legal_entity: str, after: int = 0) -> Iterator[tuple[int, bytes]]:
    """The anchors of a legal entity as they are stored, behind one, until one is missing."""
    for number in count(after + 1):
        content = store.read(anchors.anchor_name(legal_entity, number))
        if content is None:
            return
        yield number, content


def known_of(store: RecordStore, legal_entity: str) -> tuple[Known, Anchor | None]:
    """What the anchors say, and the last of them. Raises GatewayError for one that is no anchor
    behind the others."""
    heads: dict[str, Head] = {}
    known, last = Known(heads), None
    for number, content in stored(store, legal_entity):
        last = anchors.read(content)
        wrong = ["it cannot be read"]
        if last is not None:
            wrong = list(anchors.problems(legal_entity, known, last))
        if last is None or wrong:
            text = f"Anchor {number} of {legal_entity} is not what was written: {wrong[0]}."
            raise errors.business(SYSTEM, "audit_differs", text)
        heads.update(last.heads)
        known = Known(heads, last.number, last.hash)
    return known, last


@dataclass
class Checked:
    """What anchors say of chains: by chain the hashes of records by their numbers; how many anchors
    there are, when the last one was made, and what is wrong with them. `ends` are those of all
    chains, `last_hash` is the last anchor's."""

    heads: dict[str, dict[int, str]] = field(default_factory=dict)
    ends: dict[str, Head] = field(default_factory=dict)
    count: int = 0
    last_at: str = ""
    last_hash: str = ""
    problems: list[str] = field(default_factory=list)


def checked(
    store: RecordStore,
    legal_entity: str,
    keys: Mapping[str, Ed25519PublicKey],
    found: Checked | None = None,
) -> Checked:
    """All anchors of a legal entity with their signatures, behind what was `found` before. Without
    keys signatures are not checked. What is signed, and followed by another, needs no look at its
    root: only the last one's is compared."""
    found, anchor = found or Checked(), None
    for number, content in stored(store, legal_entity, found.count):
        anchor = anchors.read(content)
        if anchor is None:
            found.problems.append(f"anchor {number} has changed: it cannot be read")
            break
        known = Known(found.ends, found.count, found.last_hash)
        found.problems += anchors.problems(legal_entity, known, anchor)
        found.problems += _signature_problems(anchor, keys)
        _follow(found, number, anchor)
    if anchor is not None:
        found.problems += anchors.root_problems(found.ends, anchor)
    last = anchors.anchor_name(legal_entity, found.count)
    if store.names(anchors.anchors_prefix(legal_entity), after=last, limit=1):
        found.problems.append(f"anchor {found.count + 1} is missing or cannot be read")
    return found


def _follow(found: Checked, number: int, anchor: Anchor) -> None:
    found.ends.update(anchor.heads)
    for of, head in anchor.heads.items():
        found.heads.setdefault(of, {})[head.seq] = head.hash
    found.count, found.last_at, found.last_hash = number, anchor.at, anchor.hash


def _signature_problems(anchor: Anchor, keys: Mapping[str, Ed25519PublicKey]) -> Iterator[str]:
    if not keys:
        return
    key = keys.get(anchor.key_id)
    if not anchor.signature:
        yield f"anchor {anchor.number} is not signed"
    elif key is None:
        yield f"anchor {anchor.number} is signed by the key {anchor.key_id}, which is not known"
    else:
        try:
            key.verify(base64.b64decode(anchor.signature), anchor.signed_part)
        except (InvalidSignature, ValueError):
            yield f"anchor {anchor.number} is not what was signed"


def _unusable(file: Path, why: str) -> GatewayError:
    text = f"The key in {file} cannot be used: {why}."
    return errors.credentials(SYSTEM, "audit_key_unusable", text)
