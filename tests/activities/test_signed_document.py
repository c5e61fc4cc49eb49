"""The signed document on the order: once, as it was attached first, whatever attempts it took."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

import activities.esign as module
from activities.esign import AttachRequest, EnvelopeRequest, EsignActivities, SignedDeals
from activities.failures import BusinessRefusal
from activities.odoo.chatter import attach_signed, find_file
from contracts.model import Source
from contracts.problems import Problem
from contracts.signatures import Envelope, Envelopes, EnvelopeStatus, SignedDocument
from sandbox.docusign import pdf
from tests.activities.firm import Firm
from tests.world import single


@dataclass
class Service:
    """A service for signatures that makes its certificate anew for each download."""

    system: str = "docusign"
    downloads: list[bytes] = field(default_factory=list)
    signers: tuple[str, ...] = ("Ada <ada@client.example>",)

    def read_envelope(self, envelope_id: str) -> Envelope:
        return Envelope(
            envelope_id=envelope_id,
            status=EnvelopeStatus.COMPLETED,
            changed_at=datetime(2026, 3, 1, tzinfo=UTC),
            signers=self.signers,
            deal=Source(system="hubspot", id="9001"),
        )

    def signed_document(self, envelope_id: str) -> SignedDocument:
        content = pdf("Contract", f"Certificate {len(self.downloads)}")
        self.downloads.append(content)
        digest = hashlib.sha256(content).hexdigest()
        return SignedDocument(name="x.pdf", content=content, sha256=digest)

    def changed(self, since: datetime, after: str = "") -> Envelopes:
        return Envelopes(envelopes=[], as_of=since)

    def missing_setup(self) -> list[Problem]:
        return []

    def ensure_setup(self) -> list[Problem]:
        return []


def test_an_attempt_whose_answer_was_lost_has_attached_it(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, service = firm.confirmed(single()), Service()
    activity = EsignActivities({"docusign": service}, firm.client, {})
    request = AttachRequest(
        legal_entity=made.contract.legal_entity,
        contract_id=made.contract.contract_id,
        order_id=made.order,
        system="docusign",
        envelope_id="5f1c6a0e-1",
    )
    with monkeypatch.context() as patch:
        patch.setattr(module, "note_file", _lost)
        with pytest.raises(TimeoutError):
            activity.attach_signed(request)
    found = activity.attach_signed(request)
    assert activity.attach_signed(request) == found
    [content] = service.downloads
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert find_file(firm.client, made.order, found.name) == (found.attachment_id, content)
    stands = firm.everything(made.contract)
    assert len(stands["files"]) == 1
    notes = [row for row in stands["messages"] if "SHA-256" in (row["subject"] or "")]
    assert len(notes) == 1


def test_two_attempts_at_once_leave_one_document(firm: Firm) -> None:
    """A killed worker's request may still be under way: the later one finds the first's record."""
    made = firm.confirmed(single())
    entity, contract = made.contract.legal_entity, made.contract.contract_id
    for content in (pdf("first"), pdf("second")):
        attach_signed(firm.client, entity, contract, made.order, "signed.pdf", content)
    found = find_file(firm.client, made.order, "signed.pdf")
    assert found is not None
    assert found[1] == pdf("first")
    assert len(firm.everything(made.contract)["files"]) == 1


def test_a_service_that_is_not_configured_is_named(firm: Firm) -> None:
    activity = EsignActivities({}, firm.client, {})
    with pytest.raises(BusinessRefusal, match="configured: none") as caught:
        activity.read_envelope(EnvelopeRequest(system="docusign", envelope_id="1"))
    assert caught.value.detail.code == "esign_not_configured"


def test_an_envelope_of_a_service_that_does_not_sign_the_deal_is_no_signature(firm: Firm) -> None:
    """Whoever may send envelopes in another account could name any deal of any firm."""
    services = {"docusign": Service(), "another": Service("another")}
    deals = {"hubspot": SignedDeals("northwind", ["docusign"])}
    activity = EsignActivities(services, firm.client, deals)
    request = EnvelopeRequest(system="docusign", envelope_id="1")
    assert activity.read_envelope(request).legal_entity == "northwind"
    with pytest.raises(BusinessRefusal, match="which docusign signs") as caught:
        activity.read_envelope(request.model_copy(update={"system": "another"}))
    assert caught.value.detail.code == "envelope_foreign"


def test_an_envelope_that_nobody_signs_is_no_signature(firm: Firm) -> None:
    """One with nobody but readers completes by itself."""
    deals = {"hubspot": SignedDeals("northwind", ["docusign"])}
    activity = EsignActivities({"docusign": Service(signers=())}, firm.client, deals)
    with pytest.raises(BusinessRefusal, match="has nobody who signs") as caught:
        activity.read_envelope(EnvelopeRequest(system="docusign", envelope_id="1"))
    assert caught.value.detail.code == "envelope_unsigned"


def test_a_document_that_odoo_has_no_content_of_is_not_taken_for_signed(firm: Firm) -> None:
    made = firm.confirmed(single())
    entity, contract = made.contract.legal_entity, made.contract.contract_id
    name = f"{contract}-signed-5f1c6a0e.pdf"
    attach_signed(firm.client, entity, contract, made.order, name, b"")
    activity = EsignActivities({"docusign": Service()}, firm.client, {})
    request = AttachRequest(
        legal_entity=entity,
        contract_id=contract,
        order_id=made.order,
        system="docusign",
        envelope_id="5f1c6a0e-1",
    )
    with pytest.raises(BusinessRefusal, match="is no PDF") as caught:
        activity.attach_signed(request)
    assert caught.value.detail.code == "record_missing"


def _lost(*_: object) -> None:
    raise TimeoutError
