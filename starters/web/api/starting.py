"""Contracts are started: from contract data, or of a won deal that the workflow reads itself."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from contracts.access import Permission
from contracts.contract.state import ContractInput
from contracts.model import JsonObject
from starters.client import starting, wire
from starters.client.starting import Started
from starters.client.wire import DealWon
from starters.web.api.access import require
from starters.web.api.documents import sent
from starters.web.api.failures import told
from starters.web.api.sending import ANSWERS, Sending
from starters.web.visitors import Present, Visitor, needs

_CONTRACT_DATA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["contract_id", "legal_entity"],
                    "properties": {
                        "contract_id": {"type": "string"},
                        "legal_entity": {"type": "string"},
                    },
                    "description": "Contract data: see docs/contract-data.md.",
                },
                "examples": {
                    "one milestone": {
                        "value": {
                            "contract_id": "C-1001",
                            "legal_entity": "northwind",
                            "title": "ERP roll-out",
                            "customer": {
                                "key": "acme",
                                "name": "Acme Industries",
                                "country": "BE",
                                "billing_email": "invoices@acme.example",
                            },
                            "currency": "EUR",
                            "value": "9000.00",
                            "signed_on": "2026-03-02",
                            "services": [
                                {
                                    "key": "build",
                                    "code": "BUILD",
                                    "description": "Build",
                                    "amount": "9000.00",
                                }
                            ],
                            "milestones": [
                                {
                                    "key": "live",
                                    "name": "Go-live",
                                    "service": "build",
                                    "percent": "100",
                                }
                            ],
                        }
                    }
                },
            }
        },
    }
}
_DEAL = {"a deal": {"system": "hubspot", "deal_id": "7001", "legal_entity": "northwind"}}
CHANGE = [needs(Permission.CHANGE)]


def add_routes(routes: APIRouter, sending: Sending) -> None:
    """Add the routes that start contracts."""

    @routes.post(
        "/contracts",
        tags=["contracts"],
        dependencies=CHANGE,
        responses=ANSWERS,
        openapi_extra=_CONTRACT_DATA,
    )
    async def start(request: Request, visitor: Present) -> Started:
        """Start the contract that the data describes; starting it again changes nothing, and says
        what differs if the data is another. What is wrong with the data parks the contract, where
        people see it. Whoever starts it approves nothing of it, nor does whom the data names in
        `requested_by`: where it names nobody, that is a person who starts it."""
        said = await sending.body(request)
        with told():
            data = _with_requester(visitor, said)
            return await _started(request, visitor, starting.input_of_data(data))

    @routes.post(
        "/deals",
        tags=["contracts"],
        dependencies=CHANGE,
        responses=ANSWERS,
        openapi_extra=sent(DealWon, _DEAL),
    )
    async def start_deal(request: Request, visitor: Present) -> Started:
        """Start the contract of a won deal: its workflow reads it from the CRM. Starting it again
        changes nothing."""
        said = await sending.body(request)
        with told():
            deal = wire.as_written(DealWon, said)
            contract = starting.input_of_deal(deal.system, deal.deal_id, deal.legal_entity)
            return await _started(request, visitor, contract)


def _with_requester(visitor: Visitor, said: JsonObject) -> JsonObject:
    """The data with who asks for the contract. A system imports what others asked for."""
    if visitor.is_machine or said.get("requested_by"):
        return said
    return {**said, "requested_by": visitor.person}


async def _started(request: Request, visitor: Visitor, contract: ContractInput) -> Started:
    require(visitor, Permission.CHANGE, contract.legal_entity)
    named = contract.replace(started_by=visitor.person)
    return await starting.start(request.app.state.temporal, named)
