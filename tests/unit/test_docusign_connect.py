"""The stand-in for DocuSign Connect: it posts what is signed, until somebody takes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateways.secrets import Secret
from gateways.webhooks import schemes
from gateways.webhooks.schemes import SignedRequest
from sandbox import docusign_connect
from sandbox.conformance.serving import served
from sandbox.docusign_connect import Connect, NotTaken
from sandbox.server import Sandbox


class Gateway:
    """Takes messages, once it has answered as it was told to."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.taken: list[SignedRequest] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/webhooks/docusign", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        if self.statuses:
            return Response(status_code=self.statuses.pop(0))
        body, headers = await request.body(), dict(request.headers)
        self.taken.append(SignedRequest("POST", str(request.url), headers, body))
        return Response("received")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docusign_connect, "_TRIES", 5)
    monkeypatch.setattr(docusign_connect, "_PAUSE_SECONDS", 0.01)


def test_the_end_of_an_envelope_is_posted_with_a_signature_that_the_gateway_accepts() -> None:
    gateway = Gateway()
    with served(gateway.app()) as url:
        sandbox = Sandbox(connect_to=f"{url}/webhooks/docusign")
        envelope_id = sandbox.docusign.send("salesforce/1")
        sandbox.end_envelope(envelope_id, "completed")
    [message] = gateway.taken
    assert b'"envelope-completed"' in message.body
    assert envelope_id.encode() in message.body
    keys = [Secret.of(sandbox.connect_key).reveal()]
    schemes.docusign(message, keys, datetime.now(UTC))  # raises where it is not right


def test_an_envelope_that_is_on_its_way_is_not_posted() -> None:
    gateway = Gateway()
    with served(gateway.app()) as url:
        sandbox = Sandbox(connect_to=f"{url}/webhooks/docusign")
        sandbox.end_envelope(sandbox.docusign.send("salesforce/1"), "")
    assert gateway.taken == []


def test_a_message_is_posted_again_until_it_is_taken() -> None:
    gateway = Gateway(503, 401, 202)
    with served(gateway.app()) as url:
        Connect(f"{url}/webhooks/docusign", "key").post(b"{}")
    assert len(gateway.taken) == 1


def test_a_message_that_nobody_takes_is_an_error() -> None:
    with (
        served(Gateway(*[503] * 9).app()) as url,
        pytest.raises(NotTaken, match="HTTP 503"),
    ):
        Connect(f"{url}/webhooks/docusign", "key").post(b"{}")
    with pytest.raises(NotTaken, match="ConnectError"):
        Connect(f"{url}/webhooks/docusign", "key").post(b"{}")
