"""What OpenAPI says of messages: their schemas without who sends them, and an example of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from contracts.model import JsonObject
from contracts.money import Money
from starters.client.wire import OF_THE_SENDER

_PREFIX = "Sent"
"""Of the names of schemas: what is answered may have one of the same name, and other fields."""
_AMOUNT = {
    "type": "string",
    "title": "Money",
    "description": "An amount with its currency.",
    "pattern": r"^[-+]?[0-9]{1,15}(\.[0-9]{1,4})? [A-Z]{3}$",
    "examples": ["4000.00 EUR"],
}


class _AsWritten(GenerateJsonSchema):
    """Amounts and numbers with decimals are text, and nothing else is."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        if schema["cls"] is Money:
            return dict(_AMOUNT)
        found = super().model_schema(schema)
        for name in OF_THE_SENDER:
            found.get("properties", {}).pop(name, None)
        if "required" in found:
            found["required"] = [it for it in found["required"] if it not in OF_THE_SENDER]
        return found

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        return {"type": "string", "pattern": r"^[0-9]{1,13}(\.[0-9]{1,6})?$", "examples": ["7.5"]}


def sent(model: type[BaseModel], shown: Mapping[str, JsonObject]) -> dict[str, Any]:
    """The body of a request, for OpenAPI."""
    content = {
        "schema": {"$ref": _reference(model.__name__)},
        "examples": {name: {"value": value} for name, value in shown.items()},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def schemas(*models: type[BaseModel]) -> dict[str, Any]:
    """The schemas that `sent` refers to, and those that these refer to, by their names."""
    found: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(
            ref_template=_reference("{model}"), schema_generator=_AsWritten
        )
        for name, part in schema.pop("$defs", {}).items():
            found[_PREFIX + name] = part
        found[_PREFIX + model.__name__] = schema
    return found


def _reference(name: str) -> str:
    return f"#/components/schemas/{_PREFIX}{name}"


def examples(message: str) -> Mapping[str, JsonObject]:
    """Bodies of a message, by what they are."""
    return EXAMPLES[message]


_HASH = "9b1deb4d3b7d" + "4bad9bdd2b0d7b3dcb6d" * 2 + "9b1deb4d3b7d"
EXAMPLES: Mapping[str, Mapping[str, JsonObject]] = {
    "report_signature": {
        "completed": {
            "system": "docusign",
            "envelope": {
                "envelope_id": "4b2f",
                "status": "completed",
                "changed_at": "2026-03-02T09:30:00Z",
                "completed_at": "2026-03-02T09:30:00Z",
            },
        }
    },
    "confirm_signature": {"on paper": {"reason": "Signed on paper", "on": "2026-03-02"}},
    "reach_milestone": {"delivered": {"milestone": "design", "on": "2026-03-31"}},
    "unreach_milestone": {"mistaken": {"milestone": "design", "reason": "Not yet accepted"}},
    "record_usage": {
        "a day": {
            "records": [{"id": "r-1", "plan": "calls", "on": "2026-03-01", "quantity": "120"}]
        }
    },
    "credit_service": {
        "late": {
            "retainer": "desk",
            "reference": "SLA-7",
            "reason": "Answered late",
            "amount": "100.00 EUR",
        }
    },
    "request_credit": {
        "in part": {"number": 2, "amount": "250.00 EUR", "reason": "Billed twice"},
        "again": {"number": 2, "reason": "Wrong rate", "reinvoice": True},
    },
    "release_retainage": {"accepted": {"reason": "Final acceptance"}},
    "propose_change": {
        "reprice": {"number": 1, "reason": "Less scope", "reprice": {"live": "7000.00"}}
    },
    "set_hold": {
        "hold": {
            "kind": "billing",
            "hold": {"reason": "Scope is unclear", "until": "2026-04-15"},
        },
        "release": {"kind": "billing"},
    },
    "refresh_customer": {"now": {}},
    "read_burn": {"now": {}},
    "terminate": {
        "agreed": {
            "side": "customer",
            "reason": "The programme ends",
            "on": "2026-06-30",
            "agreed": True,
        }
    },
    "withdraw_termination": {"withdrawn": {"reason": "They stay"}},
    "give_notice": {"not renewed": {"side": "customer", "on": "2026-09-30"}},
    "request_cancel": {"cancelled": {"reason": "They changed their mind"}},
    "record_payment": {
        "by cheque": {
            "reference": "cheque 118",
            "amount": "1210.00 EUR",
            "paid_on": "2026-05-04",
        }
    },
    "open_dispute": {"a part": {"reason": "Two days too many", "amount": "242.00 EUR"}},
    "resolve_dispute": {"accepted": {"accepted": "242.00 EUR", "comment": "They are right"}},
    "promise_payment": {"all": {"on": "2026-05-15"}},
    "change_dunning_hold": {"stop": {"on": True, "reason": "We talk", "until": "2026-05-31"}},
    "ask_write_off": {"all that is open": {"reason": "Insolvent"}},
    "decide_approval": {
        "approve": {"decision": "approve", "content_hash": _HASH, "amount": "3000.00 EUR"},
        "reject": {
            "decision": "reject",
            "content_hash": _HASH,
            "amount": "3000.00 EUR",
            "comment": "The order number is missing",
        },
    },
    "resolve_exception": {
        "retry": {"action": "retry"},
        "amend": {
            "action": "amend",
            "step": "customer",
            "changes": {"customer.vat_number": "BE0477472701"},
        },
    },
    "settle_line": {
        "pays": {"line": 3, "invoices": ["INV/2026/00017"]},
        "not ours": {"line": 4, "ignore": "Refund of the tax office"},
    },
    "decide_file": {"again": {"decision": "retry"}},
    "dismiss": {"a test": {"reason": "Sent as a test"}},
    "deliver_again": {"now": {}},
}
"""By the name of the message."""
