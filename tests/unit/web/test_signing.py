"""What is signed for whom: nothing that they may not send, and nothing in another's name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from contracts.access import ALLOWED, EVERYWHERE, OF_MESSAGES, UPDATE_OF_SIGNAL, Role
from contracts.actors import SIGNAL_VALID_SECONDS, VALID_SECONDS
from contracts.approvals import ApprovalDecision
from contracts.events import Dismissal
from contracts.parking import Action, Resolution
from gateways.identity.signing import Signer, Verifier
from gateways.secrets import Secret
from starters.client.errors import Refused
from starters.web.signing import Signing
from starters.web.visitors import Visitor

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
ANA = "ana@northwind.example"
INVOICE = "contract/northwind/C-1/invoice/1"
SECRET = Secret.of(json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True)))
SIGNING = Signing(Signer(SECRET), lambda: NOW)
VERIFIER = Verifier([], SECRET, now=lambda: NOW)


def visitor(**roles: Role) -> Visitor:
    given = {entity.replace("_", "-"): frozenset({role}) for entity, role in roles.items()}
    return Visitor("https://id.example", "0a1", ANA, "Ana", given)


def test_a_visitor_signs_with_the_roles_of_the_workflows_entity_alone() -> None:
    ana = Visitor(
        "https://id.example",
        "0a1",
        ANA,
        "Ana",
        {
            "northwind": frozenset({Role.FINANCE}),
            "northwind-uk": frozenset({Role.CONTROLLER}),
            EVERYWHERE: frozenset({Role.VIEWER}),
        },
    )
    approved = ApprovalDecision(by=ANA)
    sign = SIGNING.of(ana)
    found = VERIFIER.verify(sign(INVOICE, "decide_approval", approved, "r1"))
    assert found.actor.roles == (Role.FINANCE, Role.VIEWER)
    assert (found.actor.issuer, found.actor.subject) == ("https://id.example", "0a1")
    assert found.expires_at == NOW + timedelta(seconds=VALID_SECONDS)
    assert found.refusal(INVOICE, "decide_approval", approved, "r1") is None
    again = VERIFIER.verify(sign(INVOICE, "decide_approval", approved, "r1"))
    assert again.actor.token_id != found.actor.token_id
    signal = VERIFIER.verify(sign(INVOICE, "approval_decided", approved, "r1"))
    assert signal.expires_at == NOW + timedelta(seconds=SIGNAL_VALID_SECONDS)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", [*OF_MESSAGES, *UPDATE_OF_SIGNAL])
def test_nothing_is_signed_that_the_role_may_not_send(role: Role, name: str) -> None:
    update = UPDATE_OF_SIGNAL.get(name, name)
    sign = SIGNING.of(visitor(northwind=role))
    message: Any = ApprovalDecision(by=ANA)
    if update == "resolve_exception":
        message = Resolution(action=Action.RETRY, by=ANA)
        may = role in (Role.PROJECT_MANAGER, Role.OPERATOR, Role.FINANCE, Role.CONTROLLER)
    else:
        may = OF_MESSAGES[update] in ALLOWED[role]
    if may:
        assert sign(INVOICE, name, message, "r1")
        return
    with pytest.raises(Refused, match="this needs one of the roles"):
        sign(INVOICE, name, message, "r1")


def test_an_event_is_dismissed_by_whoever_may_somewhere() -> None:
    dismissal = Dismissal(by=ANA, reason="a slip")
    sign = SIGNING.of(visitor(northwind=Role.OPERATOR))
    assert sign("event/tickets/1", "dismiss", dismissal, "r1")
    with pytest.raises(Refused, match="this needs one of the roles operator"):
        SIGNING.of(visitor(northwind=Role.FINANCE))("event/tickets/1", "dismiss", dismissal, "r1")


def test_nothing_is_signed_elsewhere_or_for_others() -> None:
    sign = SIGNING.of(visitor(northwind=Role.FINANCE))
    approved = ApprovalDecision(by=ANA)
    for elsewhere in ("contract/northwind-uk/C-1", "bank/northwind-uk/3f"):
        with pytest.raises(Refused, match="this needs one of the roles"):
            sign(elsewhere, "decide_approval", approved, "r1")
    with pytest.raises(Refused, match="cannot decide for bob@"):
        sign(INVOICE, "decide_approval", ApprovalDecision(by="bob@northwind.example"), "r1")
