"""Services for signatures: envelopes, and what was signed attached to the order in Odoo."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal
from activities.odoo.chatter import attach_signed, find_file, note_file
from contracts.contract.signature import SignedAttachment
from contracts.signatures import Envelope, Envelopes, EnvelopeStatus
from gateways.esign.envelopes import PDF
from gateways.esign.protocol import Esign
from gateways.odoo import OdooClient

ATTACHING_CALLS = 6
"""How many calls attaching makes in a row: to the service, and to Odoo."""


class EnvelopeRequest(BaseModel):
    """An envelope of the service of that name."""

    system: str
    envelope_id: str


class EnvelopeFound(BaseModel):
    """An envelope as it is now; `legal_entity` is the one that the CRM of its deal belongs to."""

    envelope: Envelope
    legal_entity: str = ""


class ChangedRequest(BaseModel):
    """Envelopes that ended at or after `since` (aware; the service's clock). `after` is the mark
    that this page begins behind; "": the first page."""

    system: str
    since: datetime
    after: str = ""


class AttachRequest(BaseModel):
    """An envelope that was completed, and the order of the contract that it signs."""

    legal_entity: str
    contract_id: str
    order_id: int
    system: str
    envelope_id: str


@dataclass(frozen=True)
class SignedDeals:
    """A CRM's deals: whose contracts they become, and the services whose envelopes may sign them.
    Who can send envelopes in another account must not say that a deal is signed."""

    legal_entity: str
    services: Collection[str]


class EsignActivities:
    """Activities on the `esign` task queue; one connector a service, by the name it is configured
    under. `deals` are those of the configured CRMs, by their names."""

    def __init__(
        self, esigns: Mapping[str, Esign], odoo: OdooClient, deals: Mapping[str, SignedDeals]
    ) -> None:
        self._esigns = esigns
        self._odoo = odoo
        self._deals = deals

    def _esign(self, system: str) -> Esign:
        esign = self._esigns.get(system)
        if esign is None:
            known = ", ".join(self._esigns) or "none"
            raise BusinessRefusal(
                "esign_not_configured",
                f"no service for signatures {system} is configured; configured: {known}",
                field="system",
                value=system,
            )
        return esign

    @activity.defn
    def read_envelope(self, request: EnvelopeRequest) -> EnvelopeFound:
        """An envelope as it is now, and whose contract it signs. Refuses one that names a CRM that
        is not configured, or whose deals this service does not sign; and one that came to its end
        without anybody who signs, as one that is only sent for information does."""
        envelope = self._esign(request.system).read_envelope(request.envelope_id)
        if envelope.deal is None:
            return EnvelopeFound(envelope=envelope)
        system = envelope.deal.system
        if system not in self._deals:
            raise BusinessRefusal(
                "crm_not_configured",
                f"the envelope signs a deal of {system}; configured CRMs: "
                f"{', '.join(self._deals) or 'none'}",
                field="c2c_deal",
                value=system,
            )
        deals = self._deals[system]
        if request.system not in deals.services:
            raise BusinessRefusal(
                "envelope_foreign",
                f"the envelope of {request.system} names a deal of {system}, which "
                f"{', '.join(deals.services) or 'no service'} signs",
                field="c2c_deal",
                value=system,
            )
        if envelope.status is EnvelopeStatus.COMPLETED and not envelope.signers:
            raise BusinessRefusal(
                "envelope_unsigned",
                f"envelope {envelope.envelope_id} is completed, and has nobody who signs",
                field="envelope",
                value=envelope.envelope_id,
            )
        return EnvelopeFound(envelope=envelope, legal_entity=deals.legal_entity)

    @activity.defn
    def changed_envelopes(self, request: ChangedRequest) -> Envelopes:
        """A page of the envelopes that ended since a moment."""
        return self._esign(request.system).changed(request.since, request.after)

    @activity.defn
    def attach_signed(self, request: AttachRequest) -> SignedAttachment:
        """Attach the signed document with its certificate to the order; safe to repeat.

        What Odoo holds is read back: services make another certificate for each download, and an
        earlier attempt may have attached another copy, which stays.
        """
        name = f"{request.contract_id}-signed-{request.envelope_id[:8]}.pdf"
        order_id = request.order_id
        found = find_file(self._odoo, order_id, name)
        if found is None:
            pdf = self._esign(request.system).signed_document(request.envelope_id).content
            attach_signed(
                self._odoo, request.legal_entity, request.contract_id, order_id, name, pdf
            )
            found = find_file(self._odoo, order_id, name)
        if found is None:
            raise BusinessRefusal(
                "record_missing", f"Odoo does not show {name} on the order", field="order"
            )
        attachment_id, content = found
        if not content.startswith(PDF):
            raise BusinessRefusal(
                "record_missing",
                f"what Odoo shows as {name} on the order is no PDF; remove it, and retry",
                field="order",
            )
        sha256 = hashlib.sha256(content).hexdigest()
        text = f"Signed in {request.system}, envelope {request.envelope_id}."
        note_file(self._odoo, order_id, attachment_id, name, sha256, text)
        return SignedAttachment(attachment_id=attachment_id, name=name, sha256=sha256)
