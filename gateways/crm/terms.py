"""Billing terms on a deal: those a CRM has no fields for, and how they meet its line items.

CRMs know amounts and line items; few know hours with a cap, included hours, tiers or retainage.
Such terms stand on the deal as one text, TOML or JSON, in the words of the contract file.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from types import MappingProxyType
from typing import Any

from contracts.contract_rules import MONEY, PLAN_TABLES, part, read, rows, total_of
from contracts.model import JsonObject
from contracts.problems import show
from gateways import errors
from gateways.crm.contract_data import default_due_on, single_milestone
from gateways.errors import GatewayError

PROPERTY = "c2c_terms"
LABEL = "Contract terms"
HELP = "Terms of the contract file as TOML or JSON: time, retainers, usage, expenses, deposit, ..."
ALLOWED = (
    *PLAN_TABLES,
    "deposit",
    "retainage",
    "term",
    "termination",
    "purchase_order_limit",
    "starts_on",
    "ends_on",
    "handover",
)
"""What the text may say. The rest of a contract is the deal's own: its customer, amount, lines."""


def terms_of(text: str, system: str) -> JsonObject:
    """The tables that a deal's text says; empty for a blank one. Numbers and dates stay text.

    Raises GatewayError of kind business: `terms_unreadable` for a text that is neither TOML nor
    JSON, `terms_not_allowed` for a field that is none of ALLOWED. What the allowed fields say is
    left to validation.
    """
    if not text.strip():
        return {}
    is_json = text.lstrip().startswith("{")
    try:
        found = _json(text) if is_json else _toml(text)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if is_json else "TOML"
        raise _refusal(
            system,
            "terms_unreadable",
            f"the deal's terms are no {kind} document ({error or 'nested too deeply'}); correct "
            "the text on the deal, then retry",
            value=text,
        ) from None
    unknown = [name for name in found if name not in ALLOWED]
    if unknown:
        raise _refusal(
            system,
            "terms_not_allowed",
            f"the deal's terms say {', '.join(map(show, unknown))}; allowed are "
            f"{', '.join(ALLOWED)}; correct the text on the deal, then retry",
            field=f".{unknown[0]}",
            value=found[unknown[0]],
        )
    return found


def with_terms(
    contract_data: JsonObject, terms: JsonObject, fees: Sequence[JsonObject] = ()
) -> JsonObject:
    """The contract data with the deal's terms and the retainers of its line items.

    A retainer that the terms give for the service of a line item adds to that line's, and what it
    says counts. The terms' own rows come first, so that a problem's path is the text's.
    """
    contract_data = contract_data | terms
    retainers = terms.get("retainers", [])
    if not fees or not isinstance(retainers, list):
        return contract_data
    by_service = {fee["service"]: fee for fee in fees}

    def merged(row: Any) -> Any:
        service = row.get("service") if isinstance(row, dict) else None
        known = isinstance(service, str) and service in by_service
        return by_service.pop(service) | row if known else row

    stated = [merged(row) for row in retainers]
    return contract_data | {"retainers": [*stated, *by_service.values()]}


def estimated(contract_data: JsonObject, fees: Mapping[str, Any]) -> list[JsonObject]:
    """The services, with an estimate of those billed by a fee (`fees`, by the service's key).

    What the deal's amount leaves beside the other lines, in proportion to the fees: whether a CRM
    counts a deal by month, by year or by its term is the account's own choice. Where that cannot
    be told, the fee of one period.
    """
    services: list[JsonObject] = contract_data["services"]
    currency = contract_data.get("currency")
    value = read(MONEY, contract_data.get("value"), currency)
    weights = [read(MONEY, fee, currency) for fee in fees.values()]
    fixed = [
        read(MONEY, item.get("amount"), currency) for item in services if item["key"] not in fees
    ]
    left = total_of([value, *(amount and -amount for amount in fixed)])
    total = total_of(weights)
    if left is None or total is None or not (left.is_positive and total.is_positive):
        return services
    parts = left.allocate([weight.amount for weight in weights])
    shares = {key: str(amount.amount) for key, amount in zip(fees, parts, strict=True)}
    return [
        item | {"amount": shares[item["key"]]} if item["key"] in shares else item
        for item in services
    ]


def milestones(
    contract_data: JsonObject, written: Mapping[str, Sequence[JsonObject]] = MappingProxyType({})
) -> list[JsonObject]:
    """Each service's milestones: those written on its line, by the service's key; else one for
    the whole of it, unless a plan bills it or a deposit, retainage or fee is booked on it."""
    due_on = default_due_on(contract_data)
    otherwise = _billed_otherwise(contract_data)
    found: list[JsonObject] = []
    for service in contract_data["services"]:
        key = service["key"]
        if written.get(key):
            found += written[key]
        elif key not in otherwise:
            found.append(single_milestone(service, due_on))
    return found


def _billed_otherwise(contract_data: JsonObject) -> set[str]:
    named = [row.get("service") for table in PLAN_TABLES for _, row in rows(contract_data, table)]
    named += [part(contract_data, name).get("service") for name in ("deposit", "retainage")]
    named.append(part(contract_data, "termination").get("fee_service"))
    return {key for key in named if isinstance(key, str)}


def _json(text: str) -> JsonObject:
    found: JsonObject = json.loads(text, parse_float=str, parse_constant=str)
    return found


def _toml(text: str) -> JsonObject:
    found: JsonObject = _plain(tomllib.loads(text, parse_float=str))
    return found


def _plain(node: Any) -> Any:
    """TOML's dates as the text JSON would hold."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return node.isoformat() if isinstance(node, (date, datetime, time)) else node


def _refusal(system: str, code: str, message: str, *, value: Any, field: str = "") -> GatewayError:
    return errors.business(system, code, message, field=f"{PROPERTY}{field}", value=show(value))
