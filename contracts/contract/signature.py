"""What a contract knows of its signature."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Self

from contracts.contract.messages import SignatureConfirmed, SignatureReported
from contracts.model import Value
from contracts.signatures import Envelope, EnvelopeStatus

MOST_ENVELOPES = 20
"""Of one contract; of more those are kept that count the most."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SignedAttachment(Value):
    """The signed document on the order in Odoo: the attachment's id, its name, and the SHA-256 of
    what Odoo holds, in hexadecimal."""

    attachment_id: int
    name: str
    sha256: str


class Signature(Value):
    """`system` is the service for signatures that the contract waits for; "": it counts as signed
    once its CRM says so. `envelopes` are those that name its deal, each as it stood last, the one
    that counts first; `late` is the last report that came too late to change anything, `confirmed`
    what a person said instead.

    `waits_after`: a person waits for another envelope since this one ended so. `attached` is the
    signed document in Odoo; `not_attached` says who does without it, and why.
    """

    system: str = ""
    envelopes: tuple[SignatureReported, ...] = ()
    late: SignatureReported | None = None
    confirmed: SignatureConfirmed | None = None
    waits_after: str = ""
    attached: SignedAttachment | None = None
    not_attached: str = ""

    @property
    def reported(self) -> SignatureReported | None:
        """The report of the envelope that counts: the one that was signed first; else the newest
        that may be signed; else the newest that ended."""
        return self.envelopes[0] if self.envelopes else None

    @property
    def envelope(self) -> Envelope | None:
        return self.reported.envelope if self.reported else None

    @property
    def is_completed(self) -> bool:
        """Whether every party signed in the service."""
        return self.envelope is not None and self.envelope.status is EnvelopeStatus.COMPLETED

    @property
    def is_given(self) -> bool:
        """Whether the contract is signed, by its envelope or by a person's word."""
        return self.is_completed or self.confirmed is not None

    def with_report(self, report: SignatureReported) -> Self:
        """With what is known of an envelope. In whatever order reports come, they come to the
        same."""
        known = [item for item in self.envelopes if _name(item) == _name(report)]
        latest = max((*known, report), key=_progress)
        every = (*(item for item in self.envelopes if item not in known), latest)
        kept = sorted(every, key=_weight, reverse=True)[:MOST_ENVELOPES]
        return self.replace(envelopes=tuple(kept))


def _name(report: SignatureReported) -> tuple[str, str]:
    return report.system, report.envelope.envelope_id


def _progress(report: SignatureReported) -> tuple[bool, datetime, str]:
    """How far an envelope has come. Times alone do not tell: a service may know only when it was
    opened last, and what was read before its end may be reported after it."""
    envelope = report.envelope
    return envelope.status is not EnvelopeStatus.SENT, envelope.changed_at, str(envelope.status)


def _weight(report: SignatureReported) -> tuple[int, timedelta, tuple[str, str]]:
    """How much an envelope counts beside the others."""
    envelope = report.envelope
    if envelope.status is EnvelopeStatus.COMPLETED:
        return 2, _EPOCH - (envelope.completed_at or envelope.changed_at), _name(report)
    rank = 1 if envelope.status is EnvelopeStatus.SENT else 0
    return rank, envelope.changed_at - _EPOCH, _name(report)
