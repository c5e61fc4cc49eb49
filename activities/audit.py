"""The audit record: entries are written into the record store, and chains are anchored there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.failures import BusinessRefusal
from activities.odoo.company_notes import note_on_company
from contracts.audit.anchors import Anchor
from contracts.audit.entries import Entry, Written
from contracts.identifiers import contract_scope
from contracts.problems import Problem
from gateways.audit import anchoring
from gateways.audit.anchoring import Signer
from gateways.audit.chains import Chains
from gateways.audit.timestamps import Authority
from gateways.odoo import OdooClient
from gateways.retention.customers import CustomerIndex

_MAX_NAMED = 20
_MOST_BROKEN = 1_000
"""Of an anchor's result, which Temporal keeps."""


class WriteRequest(BaseModel):
    """Entries of one workflow, behind the record of this number and hash. `customer` is the key of
    the contract's customer, once it is known."""

    of: str
    customer: str = ""
    seq: int
    head: str
    rejoins: bool = False
    entries: tuple[Entry, ...]


class AnchorRequest(BaseModel):
    """Anchor the chains of a legal entity; asked again for the same time (ISO, UTC), it is the same
    anchor."""

    legal_entity: str
    at: str


class Anchored(BaseModel):
    """What became of an anchor: how many chains it is over and how many have grown, and what is to
    be done with it. `broken` are the chains that are not whole."""

    legal_entity: str
    number: int = 0
    at: str = ""
    root: str = ""
    chains: int = 0
    grown: int = 0
    key_id: str = ""
    broken: tuple[str, ...] = ()
    is_stamped: bool = False
    is_noted: bool = False


@dataclass(frozen=True)
class AuditSetup:
    """The record store with what anchors need, and where the contracts of customers are noted;
    `companies` are those in Odoo by legal entity, where anchors are noted."""

    chains: Chains
    customers: CustomerIndex
    signer: Signer | None = None
    authority: Authority | None = None
    companies: Mapping[str, str] | None = None


class AuditActivities:
    """Activities on the `records` task queue. Without a record store nothing is kept."""

    def __init__(self, setup: AuditSetup | None, odoo: OdooClient) -> None:
        self._setup, self._odoo = setup, odoo

    @activity.defn
    def write_entries(self, request: WriteRequest) -> Written:
        """Append entries to a chain, each once, however often it is asked for.

        Fails with `audit_differs` where the store has something else there.
        """
        if self._setup is None:
            return Written(count=len(request.entries), seq=request.seq, head=request.head)
        if request.customer:
            self._setup.customers.note(request.customer, contract_scope(request.of))
        return self._setup.chains.write(
            request.of, request.seq, request.head, request.entries, rejoins=request.rejoins
        )

    @activity.defn
    def anchor(self, request: AnchorRequest) -> Anchored:
        """Anchor all chains of a legal entity that are whole."""
        if self._setup is None:
            return Anchored(legal_entity=request.legal_entity)
        setup = self._setup
        made = anchoring.make(setup.chains, request.legal_entity, request.at, setup.signer)
        anchor = made.anchor
        return Anchored(
            legal_entity=anchor.legal_entity,
            number=anchor.number,
            at=anchor.at,
            root=anchor.root,
            chains=anchor.chains,
            grown=len(anchor.heads),
            key_id=anchor.key_id,
            broken=tuple(
                f"{item.of}: {item.findings[0].text}" for item in made.broken[:_MOST_BROKEN]
            ),
            is_stamped=setup.authority is not None,
            is_noted=setup.companies is not None,
        )

    @activity.defn
    def stamp(self, anchored: Anchored) -> Done:
        """Have an anchor's time confirmed by the time stamping authority; once."""
        setup = self._setup
        if setup is not None and setup.authority is not None:
            anchor = _anchor(setup, anchored)
            setup.authority.stamp(setup.chains.store, anchor)
        return Done()

    @activity.defn
    def note_anchor(self, anchored: Anchored) -> Done:
        """Note an anchor in Odoo, on the legal entity's own company; once."""
        companies = self._setup.companies if self._setup else None
        if companies is not None:
            signed = f", signed by the key {anchored.key_id}" if anchored.key_id else ""
            note_on_company(
                self._odoo,
                companies[anchored.legal_entity],
                subject=f"Audit anchor {anchored.number}: {anchored.root}",
                text=(
                    f"{anchored.at}: {anchored.chains} chains of the audit record of "
                    f"{anchored.legal_entity} have this root{signed}. {anchored.grown} have grown."
                ),
            )
        return Done()

    @activity.defn
    def report_broken(self, anchored: Anchored) -> Done:
        """Fails with `audit_differs` where chains are not whole: the schedule's run shows it."""
        if not anchored.broken:
            return Done()
        problems = [
            Problem(code="audit_differs", field="audit", expected=text)
            for text in anchored.broken[:_MAX_NAMED]
        ]
        text = f"{len(anchored.broken)} chains of the audit record are not whole"
        raise BusinessRefusal("audit_differs", text, problems=problems)


def _anchor(setup: AuditSetup, anchored: Anchored) -> Anchor:
    """The anchor as it is stored."""
    _, last = anchoring.known_of(setup.chains.store, anchored.legal_entity)
    if last is None or last.number != anchored.number:
        text = f"anchor {anchored.number} of {anchored.legal_entity} is not the last one"
        raise BusinessRefusal("audit_differs", text)
    return last
