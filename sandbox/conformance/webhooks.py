"""What the kit holds a connector's webhooks to."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Generic, TypeVar

import pytest

from contracts.events import InboundEvent
from contracts.problems import InvalidContract
from gateways.connectors import Webhook
from gateways.webhooks.received import Received
from gateways.webhooks.schemes import NotVerified, SignedRequest
from sandbox.conformance.gateway import ENTITY, full
from sandbox.conformance.remote import NAME, Delivery, Remote

R = TypeVar("R", bound=Remote)

_NO_WEBHOOKS = (b"", b"null", b"[1]", b"{}", b'{"a":', b"\xff\xfe", b"[" * 9_999)
SECRET, OLD_SECRET, WRONG_SECRET = "kit-secret-1", "kit-secret-0", "kit-secret-x"


class WebhookConformance(ABC, Generic[R]):
    """Its subclass says how a record comes to be that a webhook is about."""

    @abstractmethod
    def record(self, remote: R) -> str:
        """The id of a deal, or of an envelope that has ended."""

    @abstractmethod
    def is_about(self, event: InboundEvent, record_id: str) -> bool:
        """Whether the event is about that record."""

    def test_a_webhook_becomes_an_event_that_a_repeat_is_too(self, remote: R) -> None:
        if (webhook := _webhook(remote)) is None:
            return
        first, second = self.record(remote), self.record(remote)
        sent = remote.webhook(first, SECRET)
        _verify(remote, webhook, sent)
        events, again = events_of(webhook, sent), events_of(webhook, sent)
        assert any(self.is_about(event, first) for event in events)
        assert [event.key for event in events] == [event.key for event in again]
        others = events_of(webhook, remote.webhook(second, SECRET))
        assert {event.key for event in events}.isdisjoint(event.key for event in others)

    def test_the_secret_before_the_last_still_counts_and_no_other(self, remote: R) -> None:
        if (webhook := _webhook(remote)) is None:
            return
        record = self.record(remote)
        _verify(remote, webhook, remote.webhook(record, OLD_SECRET))
        with pytest.raises(NotVerified):
            _verify(remote, webhook, remote.webhook(record, WRONG_SECRET))

    @pytest.mark.parametrize(
        "body", [b"", b"null", b"[1]", b"{}", b'{"a":', b"\xff\xfe", b"[" * 9_999]
    )
    def test_what_is_no_webhook_is_refused_and_nothing_worse(self, remote: R, body: bytes) -> None:
        if (webhook := _webhook(remote)) is None:
            return
        sent = remote.webhook(self.record(remote), SECRET)
        for headers in ({}, dict(sent.headers), dict.fromkeys(sent.headers, "é")):
            with contextlib.suppress(NotVerified):
                _verify(remote, webhook, Delivery(body, headers, sent.method, sent.url))
        try:
            events = events_of(webhook, Delivery(body, sent.headers, sent.method, sent.url))
        except InvalidContract:
            return
        assert events == [], "an event of what is no webhook"


def _webhook(remote: Remote) -> Webhook | None:
    """None where the connector declares none."""
    declared = remote.connector.webhook
    return declared if declared is not None and remote.can("webhook") else None


def _verify(remote: Remote, webhook: Webhook, sent: Delivery) -> None:
    table = remote.settings(remote.address)
    secrets = [*table.get("webhook_secrets", ()), OLD_SECRET, SECRET]
    settings = remote.connector.settings.model_validate(
        full(remote, {**table, "webhook_secrets": secrets})
    )
    known = [secret.reveal() for secret in settings.all_webhook_secrets]
    request = SignedRequest(sent.method, sent.url, _lower(sent), sent.body)
    webhook.verify(request, known, datetime.now(UTC))


def events_of(webhook: Webhook, sent: Delivery) -> Sequence[InboundEvent]:
    received = Received(NAME, ENTITY, _lower(sent), sent.body, datetime.now(UTC))
    return list(webhook.parse(received))


def _lower(sent: Delivery) -> dict[str, str]:
    return {name.lower(): value for name, value in sent.headers.items()}
