"""DocuSign as a service for signatures: what it declares of itself, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, SecretStr, model_validator

from gateways.connectors import Connector, Surroundings, Sweep, Webhook
from gateways.secrets import Secret
from gateways.settings import ConnectorSettings, secret_of
from gateways.webhooks import schemes

if TYPE_CHECKING:
    from contracts.events import InboundEvent
    from gateways.esign.protocol import Esign
    from gateways.webhooks.received import Received


class DocuSignSettings(ConnectorSettings):
    """A DocuSign account, through an app that acts for one user (JWT grant)."""

    url: str = Field(
        "https://account.docusign.com",
        description="where the app signs in; a developer account: https://account-d.docusign.com",
    )
    integration_key: str = Field(min_length=1, description="the app's integration key")
    user_id: str = Field(min_length=1, description="the API user id of whom the app acts for")
    account_id: str = Field(
        "", description="the account's API id; left out, the user's default account"
    )
    private_key_file: Path | None = Field(None, description="the app's RSA key in PEM")
    private_key: SecretStr | None = Field(None, description="the same, for the environment")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.private_key_file is None) == (self.private_key is None):
            raise ValueError("give either private_key_file or private_key (by the environment)")
        return self

    @property
    def secret(self) -> Secret:
        return secret_of(self.private_key_file, self.private_key)


def _build(settings: DocuSignSettings, around: Surroundings) -> Esign:
    from gateways.esign.docusign.api import DocuSignApi
    from gateways.esign.docusign.esign import DocuSign
    from gateways.esign.docusign.login import Login
    from gateways.esign.envelopes import MAX_DOCUMENT_BYTES
    from gateways.http import pooled_client

    http = pooled_client(settings.url, max_body_bytes=MAX_DOCUMENT_BYTES)
    login = Login(
        http,
        settings.integration_key,
        settings.user_id,
        settings.secret,
        account_id=settings.account_id,
        system=around.name,
    )
    return DocuSign(DocuSignApi(http, login, system=around.name), system=around.name)


def _parse(received: Received) -> Sequence[InboundEvent]:
    from gateways.esign.docusign import webhook

    return webhook.parse(received)


CONNECTOR = Connector(
    kind="docusign",
    about="signed, declined and voided envelopes of DocuSign, and their documents",
    settings=DocuSignSettings,
    build=_build,
    # A text is answered with 200, and Connect takes nothing else for an answer.
    webhook=Webhook(verify=schemes.docusign, parse=_parse, deadline_seconds=8, answer="received"),
    # Connect repeats what we did not answer for a while; what it gives up is found within the day.
    sweep=Sweep(overlap=timedelta(minutes=15), nightly=timedelta(days=1)),
    live="Held to docusign-esign, DocuSign's own client, never to a live account.",
    docs="How to set it up, and what happens: [docusign.md](connectors/docusign.md).",
)
