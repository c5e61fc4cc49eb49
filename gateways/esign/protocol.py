"""What the rest of the system may ask of a service for electronic signatures."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from contracts.signatures import Envelope, Envelopes, SignedDocument
from contracts.validation import Problem

__all__ = ["Envelope", "Envelopes", "Esign", "SignedDocument"]


class Esign(Protocol):
    """A service for signatures, called from many threads at once.

    Every method raises GatewayError where the service as a whole refuses or cannot be reached.
    """

    @property
    def system(self) -> str:
        """The name it is configured under ("docusign", "dropbox-sign")."""

    def read_envelope(self, envelope_id: str) -> Envelope:
        """The envelope as it is now. Raises GatewayError of kind business with the code
        `envelope_not_found`."""

    def signed_document(self, envelope_id: str) -> SignedDocument:
        """The signed PDF of a completed envelope, with its certificate. Raises GatewayError: of
        kind transient while the service still makes it, of kind business with
        `envelope_not_found` or `signed_document_too_large`."""

    def changed(self, since: datetime, after: str = "") -> Envelopes:
        """A page of the envelopes that were completed, declined or voided at or after `since`
        (aware), and the service's own time. A page begins behind the mark `after`.

        A service that does not say when an envelope was declined or voided has those in it, too,
        that were sent since: they are looked at until they end. One that cannot be read is named,
        and holds up no other (`gateways.esign.envelopes.readable`).
        """

    def missing_setup(self) -> list[Problem]:
        """What the account still lacks for the above to work; empty when all is there."""

    def ensure_setup(self) -> list[Problem]:
        """Create what is missing; safe to repeat. Returns what a person has to do."""
