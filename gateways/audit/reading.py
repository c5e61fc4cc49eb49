"""The audit record as people and programs read it: entries, and whether all is whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.audit.anchors import Anchor, anchor_name
from contracts.audit.anchors import read as anchor_of
from contracts.audit.merkle import Head
from contracts.audit.records import Verdict, contract_prefix, entity_prefixes
from contracts.identifiers import contract_scope, legal_entity_of
from gateways.audit import anchoring, timestamps
from gateways.audit.anchoring import Checked
from gateways.audit.chains import Chains, Stored
from gateways.audit.removals import removed_chains, verdict_of
from gateways.encryption.keys import Erasure, KeyRing
from gateways.errors import GatewayError


@dataclass(frozen=True)
class Chain:
    """The chain of a contract or an invoice, by its workflow id: whether it is whole, and its
    entries as far as they can be read."""

    of: str
    verdict: Verdict
    entries: tuple[Stored, ...]


@dataclass(frozen=True)
class ContractAudit:
    """The audit record of a contract and its invoices. `anchors` is how many there are of the legal
    entity, `anchored_at` when the last one was made, `problems` what is wrong with them. `erasure`
    is there where the contract's keys are destroyed: then no names can be read. `silent` are the
    workflows that did not say how their chains end."""

    contract: str
    chains: tuple[Chain, ...]
    anchors: int = 0
    anchored_at: str = ""
    problems: tuple[str, ...] = ()
    erasure: Erasure | None = None
    silent: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.problems and all(item.verdict.is_whole for item in self.chains)


@dataclass(frozen=True)
class LastAnchor:
    """An anchor, when it was stamped (aware), and what is wrong with its stamp."""

    anchor: Anchor
    stamped_at: datetime | None = None
    problem: str = ""


class Reader:
    """Reads and checks the record; thread-safe. `keys` are those that anchors are signed by:
    without any, signatures are not checked. `roots` are what time stamps are checked by. All raise
    GatewayError."""

    def __init__(
        self,
        chains: Chains,
        ring: KeyRing | None,
        keys: Mapping[str, Ed25519PublicKey],
        roots: Path | None = None,
    ) -> None:
        self.chains, self._ring, self._keys, self._roots = chains, ring, keys, roots
        self._checked: dict[str, Checked] = {}
        self._lock = threading.Lock()

    def of_contract(self, contract: str) -> dict[str, int]:
        """The chains in the store of a contract, by its workflow id, and of its invoices, each with
        the number of its last record."""
        found = self.chains.chains(contract_prefix(contract))
        ends = {of: numbers[-1] for of, numbers in found}
        return {of: ends[of] for of in sorted(ends, key=_by_number)}

    def contract(
        self,
        contract: str,
        live: Mapping[str, Head] | None = None,
        silent: tuple[str, ...] = (),
    ) -> ContractAudit:
        """The record of a contract, by its workflow id. `live` are the ends of chains as running
        workflows know them, `silent` are those that did not answer."""
        found = self.anchors(legal_entity_of(contract))
        known = _of_contract(contract, found.heads)
        for of, head in (live or {}).items():
            if head.seq:
                known.setdefault(of, {})[head.seq] = head.hash
        names = {of for of, _ in self.chains.chains(contract_prefix(contract))} | known.keys()
        removed = removed_chains(self.chains.store, legal_entity_of(contract))
        chains = [
            Chain(
                of,
                self._verdict(of, known.get(of, {}), removed),
                tuple(self.chains.entries(of)),
            )
            for of in sorted(names, key=_by_number)
        ]
        return ContractAudit(
            contract,
            tuple(chains),
            found.count,
            found.last_at,
            tuple(found.problems),
            self.erasure(contract),
            silent,
        )

    def every(self, legal_entity: str, found: Checked) -> Iterator[Verdict]:
        """Whether each chain of a legal entity is whole, one by one; also those that only an anchor
        knows of."""
        seen = set()
        removed = removed_chains(self.chains.store, legal_entity)
        for of, _ in self.chains.chains(*entity_prefixes(legal_entity)):
            seen.add(of)
            yield self._verdict(of, found.heads.get(of, {}), removed)
        for of in sorted(found.heads.keys() - seen):
            yield self._verdict(of, found.heads[of], removed)

    def erasure(self, of: str) -> Erasure | None:
        """Who destroyed the keys of the contract that a chain is of, if anybody has."""
        contract = contract_scope(of)
        return self._ring.erasure(contract) if self._ring and contract else None

    def last_anchor(self, legal_entity: str) -> LastAnchor | None:
        """The last anchor of a legal entity, with its time stamp; None where there is none."""
        number = self.anchors(legal_entity).count
        content = self.chains.store.read(anchor_name(legal_entity, number)) if number else None
        anchor = anchor_of(content or b"")
        if anchor is None:
            return None
        if self._roots is None:
            return LastAnchor(anchor)
        try:
            stamped = timestamps.stamp_of(self.chains.store, anchor, self._roots)
        except GatewayError as error:
            return LastAnchor(anchor, problem=error.message)
        return LastAnchor(anchor, stamped)

    def _verdict(
        self,
        of: str,
        known: Mapping[int, str],
        removed: Mapping[str, Head],
        numbers: Sequence[int] | None = None,
    ) -> Verdict:
        """Whether a chain is whole; one that was removed by a rule is."""
        gone = verdict_of(of, removed[of], known) if of in removed else None
        return gone or self.chains.check(of, known, numbers)

    def verdict(
        self, legal_entity: str, of: str, known: Mapping[int, str], numbers: Sequence[int]
    ) -> Verdict:
        """Whether the records of these numbers are whole; `known` as anchors know them."""
        removed = removed_chains(self.chains.store, legal_entity)
        return self._verdict(of, known, removed, numbers)

    def anchors(self, legal_entity: str) -> Checked:
        """What the anchors of a legal entity say, and what is wrong with them. What was found whole
        is kept, and not read again."""
        with self._lock:
            known = self._checked.get(legal_entity)
            found = anchoring.checked(self.chains.store, legal_entity, self._keys, known)
            if not found.problems:
                self._checked[legal_entity] = found
            else:
                self._checked.pop(legal_entity, None)
            return found

    def stamps(self, legal_entity: str) -> list[str]:
        """What is wrong with the time stamps of the anchors; nothing where none are configured."""
        if self._roots is None:
            return []
        found: list[str] = []
        for _, content in anchoring.stored(self.chains.store, legal_entity):
            anchor = anchor_of(content)
            if anchor is None:
                break
            found += self._stamp_problems(anchor, self._roots)
        return found

    def _stamp_problems(self, anchor: Anchor, roots: Path) -> list[str]:
        """A day on which the authority did not answer leaves an anchor without a stamp."""
        try:
            stamped = timestamps.stamp_of(self.chains.store, anchor, roots)
        except GatewayError as error:
            return [error.message]
        if stamped is None or timestamps.is_timely(anchor, stamped):
            return []
        return [f"anchor {anchor.number} is of {anchor.at}, and was stamped on {stamped:%Y-%m-%d}"]


def _of_contract(
    contract: str, heads: Mapping[str, Mapping[int, str]]
) -> dict[str, dict[int, str]]:
    """What anchors know of a contract and its invoices."""
    below = f"{contract}/"
    return {
        of: dict(known)
        for of, known in list(heads.items())  # another thread may learn of more
        if of == contract or of.startswith(below)
    }


def _by_number(of: str) -> tuple[str, int]:
    """The contract first, then its invoices by their numbers."""
    contract, _, number = of.partition("/invoice/")
    return contract, int(number) if number.isdecimal() else 0
