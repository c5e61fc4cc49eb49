"""What a contract knows of its signature."""

from __future__ import annotations

from contracts.contract.messages import SignatureConfirmed, SignatureReported
from contracts.model import Value
from contracts.signatures import Envelope, EnvelopeStatus


class SignedAttachment(Value):
    """The signed document on the order in Odoo: the attachment's id, its name, and the SHA-256 of
    what Odoo holds, in hexadecimal."""

    attachment_id: int
    name: str
    sha256: str


class Signature(Value):
    """`system` is the service for signatures that the contract waits for; "": it counts as signed
    once its CRM says so. `reported` is the envelope that counts, `late` the last report that came
    too late to change anything, `confirmed` what a person said instead.

    `waits_for_another`: the envelope was declined or voided, and a person waits for a new one.
    `attached` is the signed document in Odoo; `not_attached` says who does without it, and why.
    """

    system: str = ""
    reported: SignatureReported | None = None
    late: SignatureReported | None = None
    confirmed: SignatureConfirmed | None = None
    waits_for_another: bool = False
    attached: SignedAttachment | None = None
    not_attached: str = ""

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
