"""What the kit holds every service for electronic signatures to.

    class TestInkwell(EsignConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def remote(cls): ...   # yields an EsignRemote

Each test sends envelopes of its own, so that one account serves them all.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest

from contracts.events import ForEnvelope, InboundEvent
from contracts.model import Source
from contracts.signatures import Envelope, EnvelopeStatus, SignedDocument
from gateways.errors import FailureKind, GatewayError
from gateways.esign.protocol import Esign
from sandbox.conformance.gateway import TIME_ZONE, Call, GatewayConformance
from sandbox.conformance.remote import NAME, Remote
from sandbox.conformance.sweeping import FoundPage, Sweeps
from sandbox.conformance.webhooks import WebhookConformance

_DAY = timedelta(days=1)
_THREADS = 6
_DEAL = Source(system="hubspot", id="9001")
_NO_ENVELOPES = ("0", "no envelope", "../envelopes", "a/b?c=d&e#f", "٣")


class EsignRemote(Remote):
    """A service for signatures, and what people do there."""

    page_size: ClassVar[int]
    """The most envelopes that one page of the connector's sweeps holds."""

    @abstractmethod
    def send(self, deal: Source | None, signers: Mapping[str, str]) -> str:
        """Send an envelope to these people, names to e-mail addresses, that names the deal or none;
        returns its id."""

    @abstractmethod
    def sign(self, envelope_id: str) -> None:
        """Everybody signs."""

    def decline(self, envelope_id: str, reason: str) -> None:
        """Somebody declines."""
        raise NotImplementedError("decline, or why not in `cannot`")

    def void(self, envelope_id: str) -> None:
        """It can be signed no more: the sender voided it, or it expired."""
        raise NotImplementedError("void, or why not in `cannot`")

    def signed_late(self, behind: timedelta) -> str:
        """Make an envelope that all signed so long ago, and that shows only now; returns its id."""
        raise NotImplementedError("signed_late, or why not in `cannot`")

    @abstractmethod
    def delete(self, envelope_id: str) -> None:
        """It is deleted: the API knows it no more."""

    def damage(self, envelope_id: str) -> None:
        """From now on the API shows this envelope in a way that nobody understands."""
        raise NotImplementedError("damage, or why not in `cannot`")

    def prepare(self, envelope_id: str) -> None:
        """The document of this signed envelope cannot be had yet."""
        raise NotImplementedError("prepare, or why not in `cannot`")


R = TypeVar("R", bound=EsignRemote)


class EsignConformance(GatewayConformance[R], WebhookConformance[R]):
    """The tests of a connector of the group `c2c.esign`."""

    @pytest.fixture
    def esign(self, gateway: Any) -> Esign:
        found: Esign = gateway
        return found

    def calls(self, remote: R) -> Mapping[str, Call]:
        envelope, since = self.record(remote), remote.now() - _DAY

        def swept(esign: Esign) -> object:
            page = esign.changed(since)
            return page.envelopes, page.next

        def document(esign: Esign) -> object:
            found = esign.signed_document(envelope)
            return found.name  # its certificate is made anew each time

        return {
            "read_envelope": lambda esign: esign.read_envelope(envelope),
            "signed_document": document,
            "changed": swept,
            "missing_setup": lambda esign: esign.missing_setup(),
        }

    # --- envelopes --------------------------------------------------------------------------------

    def test_an_envelope_says_who_signs_which_deal(self, remote: R, esign: Esign) -> None:
        people = {"Ada Client": "ada@client.example", "Bo Client": "bo@client.example"}
        envelope_id = remote.send(_DEAL, people)
        found = esign.read_envelope(envelope_id)
        assert (found.envelope_id, found.status) == (envelope_id, EnvelopeStatus.SENT)
        assert found.deal == _DEAL
        assert found.completed_at is None
        for shown, (name, email) in zip(found.signers, people.items(), strict=True):
            assert name in shown
            assert email in shown

    def test_an_envelope_that_names_no_deal_has_none(self, remote: R, esign: Esign) -> None:
        assert esign.read_envelope(sent(remote, deal=None)).deal is None

    def test_a_signed_envelope_says_since_when(self, remote: R, esign: Esign) -> None:
        envelope_id = self.record(remote)
        found = esign.read_envelope(envelope_id)
        assert found.status is EnvelopeStatus.COMPLETED
        assert found.completed_at is not None
        assert found.completed_at.tzinfo is not None
        assert abs(found.completed_at - remote.now()) < _DAY
        assert found.changed_at >= found.completed_at

    def test_a_declined_envelope_says_why(self, remote: R, esign: Esign) -> None:
        if remote.can("decline"):
            envelope_id = sent(remote)
            remote.decline(envelope_id, "too expensive, “really”")
            found = esign.read_envelope(envelope_id)
            assert (found.status, found.completed_at) == (EnvelopeStatus.DECLINED, None)
            assert found.reason == "too expensive, “really”"

    def test_an_envelope_that_is_void_is_signed_no_more(self, remote: R, esign: Esign) -> None:
        if remote.can("void"):
            envelope_id = sent(remote)
            remote.void(envelope_id)
            found = esign.read_envelope(envelope_id)
            assert (found.status, found.completed_at) == (EnvelopeStatus.VOIDED, None)

    @pytest.mark.parametrize("envelope_id", _NO_ENVELOPES)
    def test_an_id_of_no_envelope_is_said_to_be_none(self, esign: Esign, envelope_id: str) -> None:
        for call in (esign.read_envelope, esign.signed_document):
            with pytest.raises(GatewayError) as caught:
                call(envelope_id)
            assert caught.value.kind is FailureKind.BUSINESS
            assert caught.value.code == "envelope_not_found"

    def test_many_threads_share_it(self, remote: R, esign: Esign) -> None:
        ids = [sent(remote) for _ in range(_THREADS)]
        with ThreadPoolExecutor(_THREADS) as pool:
            found: list[Envelope] = list(pool.map(esign.read_envelope, ids))
        assert [item.envelope_id for item in found] == ids

    # --- documents --------------------------------------------------------------------------------

    def test_the_document_is_a_pdf_with_its_digest(self, remote: R, esign: Esign) -> None:
        found: SignedDocument = esign.signed_document(self.record(remote))
        assert found.content.startswith(b"%PDF-")
        assert found.sha256 == hashlib.sha256(found.content).hexdigest()
        assert found.name.endswith(".pdf")

    def test_a_document_that_is_still_made_is_waited_for(self, remote: R, esign: Esign) -> None:
        if remote.can("prepare"):
            envelope_id = self.record(remote)
            remote.prepare(envelope_id)
            with pytest.raises(GatewayError) as caught:
                esign.signed_document(envelope_id)
            assert caught.value.kind is FailureKind.TRANSIENT
            assert caught.value.retry_after

    # --- sweeps -----------------------------------------------------------------------------------

    def sweeps(self, remote: R, esign: Esign) -> Sweeps:
        def read(since: datetime, after: str) -> FoundPage:
            page = esign.changed(since, after)
            assert page.as_of.tzinfo is not None
            assert len(page.envelopes) <= remote.page_size
            assert page.unreadable == []
            # A service may tell those on their way, too; they are looked at until they end.
            found = [
                (item.envelope_id, item.changed_at)
                for item in page.envelopes
                if item.status is not EnvelopeStatus.SENT
            ]
            return FoundPage(found, page.as_of, page.next)

        return Sweeps(remote.connector, read, time_zone=TIME_ZONE)

    def test_each_envelope_that_ends_is_found_once(self, remote: R, esign: Esign) -> None:
        sweeps = self.sweeps(remote, esign)
        ended, still_open = {self.record(remote) for _ in range(3)}, sent(remote)
        found = sweeps.run(remote.now())
        assert ended <= set(found)
        assert still_open not in found
        remote.sign(still_open)
        assert sweeps.run(remote.now()) == [still_open]
        assert sweeps.run(remote.now()) == []

    def test_more_envelopes_than_a_page_holds_are_all_found(self, remote: R, esign: Esign) -> None:
        """Also those that end while pages are read, at the latest by the next sweep."""
        waiting = [sent(remote) for _ in range(3)]
        made = {self.record(remote) for _ in range(remote.page_size + 2)}
        sweeps, pages = self.sweeps(remote, esign), 0

        def one_more(page: FoundPage) -> None:
            nonlocal pages
            pages += 1
            if waiting:
                made.add(waiting[-1])
                remote.sign(waiting.pop())

        found = sweeps.run(remote.now(), one_more)
        assert pages > 1
        assert made <= {*found, *sweeps.run(remote.now())}

    def test_a_sweep_that_takes_long_goes_on_where_it_ended(self, remote: R, esign: Esign) -> None:
        made = {self.record(remote) for _ in range(remote.page_size + 2)}
        sweeps = self.sweeps(remote, esign)
        first = sweeps.run(remote.now(), most_pages=1)
        assert not made <= set(first)
        assert made <= {*first, *sweeps.run(remote.now())}

    def test_a_sweep_costs_what_changed(self, remote: R, esign: Esign) -> None:
        envelope_id = self.record(remote)
        at = esign.read_envelope(envelope_id).changed_at
        assert envelope_id in ended_since(esign, at), "one that ended at `since`: at or after"
        assert envelope_id not in ended_since(esign, at + _DAY)

    def test_an_envelope_that_cannot_be_read_holds_up_no_other(
        self, remote: R, esign: Esign
    ) -> None:
        if not remote.can("damage"):
            return
        since, bad, good = remote.now() - _DAY, self.record(remote), self.record(remote)
        remote.damage(bad)
        page = esign.changed(since)
        unreadable, found = list(page.unreadable), {item.envelope_id for item in page.envelopes}
        while page.next:
            page = esign.changed(since, page.next)
            unreadable += page.unreadable
            found |= {item.envelope_id for item in page.envelopes}
        remote.delete(bad)
        assert unreadable == [bad]
        assert (bad in found, good in found) == (False, True)

    def test_an_end_that_shows_late_is_found(self, remote: R, esign: Esign) -> None:
        """Behind the mark of the last sweep: soon by the overlap, at the latest once a day."""
        if not remote.can("signed_late"):
            return
        sweeps, now = self.sweeps(remote, esign), remote.now()
        sweeps.run(now)
        declared = sweeps.sweep
        soon = remote.signed_late(declared.overlap * 0.9)
        assert soon in sweeps.run(now)
        if declared.nightly > declared.overlap:
            late = remote.signed_late(declared.nightly * 0.9)
            assert late not in sweeps.run(now)
            assert late in sweeps.run(now + _DAY)

    # --- webhooks ---------------------------------------------------------------------------------

    def record(self, remote: R) -> str:
        envelope_id = sent(remote)
        remote.sign(envelope_id)
        return envelope_id

    def is_about(self, event: InboundEvent, record_id: str) -> bool:
        task = event.task
        return isinstance(task, ForEnvelope) and (task.system, task.envelope_id) == (
            NAME,
            record_id,
        )


def sent(remote: EsignRemote, deal: Source | None = _DEAL) -> str:
    return remote.send(deal, {"Ada Client": "ada@client.example"})


def ended_since(esign: Esign, since: datetime) -> set[str]:
    """The envelopes of all pages."""
    page = esign.changed(since)
    found = list(page.envelopes)
    while page.next:
        page = esign.changed(since, page.next)
        found += page.envelopes
    return {item.envelope_id for item in found if item.status is not EnvelopeStatus.SENT}
