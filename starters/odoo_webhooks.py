"""Automation rules in Odoo that tell the gateway of payments and milestones at once.

Only an administrator of Odoo may make them, so this takes a key of its own, once. Odoo calls from
within the request that saves a record, and waits for up to a second: so a rule names the fields
that set it off, and the records it is about. Without these the creation of one customer called 16
times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from activities.odoo.catalogue import Catalogue
from contracts.identifiers import INVOICE_ORIGINS
from gateways.odoo import OdooClient
from gateways.secrets import Secret
from gateways.senders.odoo import CONNECTOR, SECRET_PARAMETER
from starters.findings import Change, Did, SetupRefused
from starters.web.senders import Sender, senders
from wiring import remotes
from wiring.settings import Settings

_KIND = CONNECTOR.kind
PAID_STATES = ("partial", "in_payment", "paid", "reversed")
_MODULE = "base_automation"


@dataclass(frozen=True)
class Rule:
    """What sets a rule off: one of these fields changes, in a record like this."""

    name: str
    model: str
    triggers: tuple[str, ...]
    domain: tuple[tuple[str, str, Any], ...]
    by_others: bool = False
    """Not by our own user: what it marks the contract knows."""

    def domain_for(self, own_user: int) -> list[tuple[str, str, Any]]:
        ours = [("write_uid", "!=", own_user)] if self.by_others else []
        return [*self.domain, *ours]

    @property
    def sent(self) -> tuple[str, ...]:
        """What Odoo sends; the gateway uses it to tell one change from the next."""
        return (*self.triggers, "write_date")

    @property
    def title(self) -> str:
        return f"Contract to Cash: {self.name}"


RULES = (
    Rule(
        "payments",
        "account.move",
        ("payment_state", "amount_residual"),
        # Not when an invoice is drafted (Odoo takes it for paid in between) or posted, which would
        # call back while we do that; nor for a payment that is undone: the sweep sees it.
        (
            ("invoice_origin", "=like", INVOICE_ORIGINS),
            ("state", "=", "posted"),
            ("payment_state", "in", list(PAID_STATES)),
        ),
    ),
    Rule(
        "milestones",
        "project.milestone",
        ("is_reached",),
        (("sale_line_id.order_id.origin", "=like", "contract/%"),),
        by_others=True,
    ),
)


def ensure_rules(settings: Settings, key: Secret) -> list[Change]:
    """Create or update the rules, as the administrator with this API key.

    Raises SetupRefused where the configuration or Odoo lacks something, GatewayError where Odoo
    refuses.
    """
    address = _address(settings)
    odoo = remotes.odoo_as(settings, key)
    try:
        if not odoo.search_read("ir.model", [("model", "=", "base.automation")], ["id"]):
            raise SetupRefused(f"Odoo has no automation rules: install its module {_MODULE}")
        own_user = _own_user(settings)
        return [_ensure(odoo, rule, address, own_user) for rule in RULES]
    finally:
        odoo.close()


def _address(settings: Settings) -> str:
    """Where Odoo is to call, with its secret: it has no better way to prove itself."""
    if not settings.web.public_url:
        raise SetupRefused("web.public_url is not set: it says where Odoo finds the gateway")
    sender = next(_odoo_senders(settings), None)
    if sender is None:
        raise SetupRefused(f"no sender of kind {_KIND} is configured, whose secret Odoo is to send")
    secrets = sender.revealed()
    if not secrets:
        raise SetupRefused(f"the secret of {sender.place} cannot be read")
    query = urlencode({SECRET_PARAMETER: secrets[0]})
    return f"{settings.web.public_url.rstrip('/')}/webhooks/{sender.name}?{query}"


def _odoo_senders(settings: Settings) -> Iterator[Sender]:
    return (item for item in senders(settings).values() if item.webhook is CONNECTOR.webhook)


def _own_user(settings: Settings) -> int:
    """The id of the user that c2c works as."""
    odoo = remotes.odoo(settings)
    try:
        return Catalogue(odoo).own_user()
    finally:
        odoo.close()


def _ensure(odoo: OdooClient, rule: Rule, address: str, own_user: int) -> Change:
    model, fields = _ids(odoo, rule)
    automation = {
        "name": rule.title,
        "model_id": model,
        "trigger": "on_create_or_write",
        "trigger_field_ids": sorted(fields[name] for name in rule.triggers),
        "filter_domain": repr(rule.domain_for(own_user)),
        "active": True,
    }
    action = {
        "name": rule.title,
        "model_id": model,
        "state": "webhook",
        "webhook_url": address,
        "webhook_field_ids": sorted(fields[name] for name in rule.sent),
    }
    there = odoo.search_read(
        "base.automation",
        [("name", "=", rule.title), ("active", "in", [True, False])],
        [*automation, "action_server_ids"],
        limit=1,
    )
    if not there:
        # In one call: a rule without its action would count as there.
        odoo.create("base.automation", [{**automation, "action_server_ids": [[0, 0, action]]}])
        return _change(rule, Did.CREATED)
    actions = there[0]["action_server_ids"]
    [found] = odoo.read("ir.actions.server", actions[:1], list(action)) or [{}]
    if len(actions) == 1 and _is_same(there[0], automation) and _is_same(found, action):
        return _change(rule, Did.UNCHANGED)
    commands = [[5, 0, 0], [0, 0, action]]
    odoo.write("base.automation", [there[0]["id"]], {**automation, "action_server_ids": commands})
    return _change(rule, Did.UPDATED)


def _ids(odoo: OdooClient, rule: Rule) -> tuple[int, dict[str, int]]:
    """The ids of the rule's model and of its fields."""
    [model] = odoo.search_read("ir.model", [("model", "=", rule.model)], ["id"])
    found = odoo.search_read(
        "ir.model.fields",
        [("model", "=", rule.model), ("name", "in", list(rule.sent))],
        ["name"],
    )
    return model["id"], {row["name"]: row["id"] for row in found}


def _is_same(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(_plain(there.get(name)) == value for name, value in wanted.items())


def _plain(value: Any) -> Any:
    """A value as it is written: a link to a record is its id, links are in order."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        is_link = len(value) == 2 and isinstance(value[1], str)
        return value[0] if is_link else sorted(value)
    return value


def _change(rule: Rule, did: Did) -> Change:
    fields = ", ".join(rule.triggers)
    return Change("automation rule", rule.title, did, f"{rule.model}: {fields}")
