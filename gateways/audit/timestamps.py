"""Time stamps of an authority (RFC 3161): that an anchor existed at a time, said by a stranger.

rfc3161-client, of the extra `audit`, is imported late: nothing else needs it.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import httpx
from cryptography.x509 import load_pem_x509_certificates

from contracts.audit.anchors import Anchor
from gateways import errors
from gateways.audit.chains import SYSTEM
from gateways.errors import GatewayError
from gateways.http import pooled_client, unanswered
from gateways.record_store.protocol import RecordStore

EXTRA = "contract-to-cash[audit]"
_READ_TIMEOUT_SECONDS = 20.0
_MAX_BYTES = 100_000
_STAMPS = "stamps/"
_DIGITS = 8
_WITHIN = timedelta(days=7)
"""After an anchor's time it is stamped, also where workers were away meanwhile."""


def stamp_name(legal_entity: str, number: int) -> str:
    """The name of the stamp of an anchor in the store."""
    return f"{_STAMPS}{legal_entity}/{number:0{_DIGITS}}"


class Authority:
    """A time stamping authority at an address; `roots` are the certificates, as PEM, that its
    answers must lead to, and those on the way to them that it does not send."""

    def __init__(
        self, url: str, roots: Path, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.roots = roots
        self._url = url
        self._http = pooled_client(
            url,
            read_timeout_seconds=_READ_TIMEOUT_SECONDS,
            max_connections=1,
            max_body_bytes=_MAX_BYTES,
            transport=transport,
        )

    def stamp(self, store: RecordStore, anchor: Anchor) -> None:
        """Have an anchor stamped and keep the answer, unless there is one. Raises GatewayError."""
        name = stamp_name(anchor.legal_entity, anchor.number)
        if store.read(name) is not None:
            return
        answer = self._asked(anchor.signed_part)
        stamped_at(answer, anchor, self.roots)
        try:
            store.create(name, base64.b64encode(answer))
        except GatewayError as error:
            if error.code != "record_differs":  # another attempt was stamped at the same moment
                raise

    def _asked(self, content: bytes) -> bytes:
        request = _library().TimestampRequestBuilder().data(content).build().as_bytes()
        headers = {"Content-Type": "application/timestamp-query"}
        try:
            answer = self._http.post(self._url, content=request, headers=headers)
        except httpx.HTTPError as error:
            raise unanswered(error, SYSTEM, "The time stamping authority") from error
        if not answer.is_success:
            text = f"The time stamping authority answers with status {answer.status_code}."
            raise errors.transient(SYSTEM, "unreachable", text)
        return answer.content


def stamp_of(store: RecordStore, anchor: Anchor, roots: Path) -> datetime | None:
    """When an anchor was stamped; None where it was not. Raises GatewayError."""
    content = store.read(stamp_name(anchor.legal_entity, anchor.number))
    if content is None:
        return None
    try:
        answer = base64.b64decode(content, validate=True)
    except ValueError:
        raise _invalid(anchor, "it is not what was written") from None
    return stamped_at(answer, anchor, roots)


def stamped_at(answer: bytes, anchor: Anchor, roots: Path) -> datetime:
    """When an authority has stamped an anchor. Raises GatewayError `timestamp_invalid` where it has
    not, or is another one than the certificates say."""
    library = _library()
    builder = library.VerifierBuilder()
    try:
        for certificate in load_pem_x509_certificates(roots.read_bytes()):
            if certificate.issuer == certificate.subject:
                builder = builder.add_root_certificate(certificate)
            else:
                builder = builder.add_intermediate_certificate(certificate)
        response = library.decode_timestamp_response(answer)
        builder.build().verify_message(response, anchor.signed_part)
    except (ValueError, OSError, library.VerificationError) as error:
        raise _invalid(anchor, str(error)) from None
    at: datetime = response.tst_info.gen_time
    return at


def is_timely(anchor: Anchor, stamped: datetime) -> bool:
    """Whether an anchor was stamped at the time that it says it is of. One that was made again
    later, over another history, was not."""
    try:
        return abs(stamped - datetime.fromisoformat(anchor.at)) <= _WITHIN
    except (ValueError, TypeError):  # no time, or one without a zone
        return False


def _invalid(anchor: Anchor, why: str) -> GatewayError:
    text = f"The time stamp of anchor {anchor.number} does not hold: {why}."
    return errors.business(SYSTEM, "timestamp_invalid", text)


def _library() -> ModuleType:
    try:
        import rfc3161_client
    except ModuleNotFoundError as error:
        text = f"rfc3161-client is not installed, which time stamps require: pip install '{EXTRA}'"
        raise errors.credentials(SYSTEM, "not_installed", text) from error
    return rfc3161_client
