"""What the tests of every CRM ask alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.crm import ContractStatus, WonDeal
from contracts.model import JsonObject
from contracts.validation import InvalidContract, validate
from gateways.crm.protocol import Crm
from gateways.errors import GatewayError

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def complete(contract_data: JsonObject) -> JsonObject:
    return {"contract_id": "C-1", "legal_entity": "be", **contract_data}


def problems_of(contract_data: JsonObject) -> dict[str, str]:
    with pytest.raises(InvalidContract) as caught:
        validate(complete(contract_data))
    return {problem.field: problem.code for problem in caught.value.problems}


def status(deal_id: str, **values: Any) -> ContractStatus:
    return ContractStatus(deal_id=deal_id, **{"stage": "billing", **values})


def refusal(call: Callable[[], object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        call()
    return caught.value


def pages(crm: Crm, since: datetime) -> Iterator[list[WonDeal]]:
    page = crm.won_deals(since)
    yield page.deals
    while page.next:
        page = crm.won_deals(since, page.next)
        yield page.deals


def all_won(crm: Crm, since: datetime = SINCE) -> list[WonDeal]:
    """The deals of all pages."""
    return [deal for page in pages(crm, since) for deal in page]
