"""The one list of search attributes: what people ask of the whole portfolio.

SQL visibility has room for 10 Keyword and 3 each of Int, Double and Datetime. They are lists for
people, eventually consistent; no code decides by them. Nothing encrypts them, so no person's or
customer's name is in one: `Customer` is the customer's key.
"""

from __future__ import annotations

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

CONTRACT_ID = SearchAttributeKey.for_keyword("ContractId")
CUSTOMER = SearchAttributeKey.for_keyword("Customer")
LEGAL_ENTITY = SearchAttributeKey.for_keyword("LegalEntity")
CONTRACT_STAGE = SearchAttributeKey.for_keyword("ContractStage")
INVOICE_STAGE = SearchAttributeKey.for_keyword("InvoiceStage")
WAITING_ON = SearchAttributeKey.for_keyword("WaitingOn")
WAITING_SINCE = SearchAttributeKey.for_datetime("WaitingSince")
CURRENCY = SearchAttributeKey.for_keyword("Currency")
CONTRACT_VALUE = SearchAttributeKey.for_float("ContractValue")
AMOUNT_DUE = SearchAttributeKey.for_float("AmountDue")
NEXT_ACTION_AT = SearchAttributeKey.for_datetime("NextActionAt")
DUNNING_LEVEL = SearchAttributeKey.for_int("DunningLevel")
EVENT_OUTCOME = SearchAttributeKey.for_keyword("EventOutcome")

CUSTOMER_NAME = "customer"
"""In the memo, which is encrypted: the customer's name, for lists."""
PARKED = "parked"
"""In the memo: the steps that wait for a person (`contracts.views.parked`), for lists."""
APPROVAL = "approval"
"""In the memo: the approval round that is open, as lists show it."""

AGREED = "agreed"
"""In the memo: what is agreed of an open invoice (`contracts.views.agreed`), for lists."""

ALL = (
    CONTRACT_ID,
    CUSTOMER,
    LEGAL_ENTITY,
    CONTRACT_STAGE,
    INVOICE_STAGE,
    WAITING_ON,
    WAITING_SINCE,
    CURRENCY,
    CONTRACT_VALUE,
    AMOUNT_DUE,
    NEXT_ACTION_AT,
    DUNNING_LEVEL,
    EVENT_OUTCOME,
)

_RECEIVED = "received"
"""The first stage of a contract, and the first outcome of an event; lists import neither."""


def at_start(contract_id: str, legal_entity: str) -> TypedSearchAttributes:
    """What is known when a contract starts: set then, it costs no upsert."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(CONTRACT_ID, contract_id),
            SearchAttributePair(LEGAL_ENTITY, legal_entity),
            SearchAttributePair(CONTRACT_STAGE, _RECEIVED),
        ]
    )


def of_bank_file(legal_entity: str) -> TypedSearchAttributes:
    """What is known when a bank's file is received."""
    return TypedSearchAttributes([SearchAttributePair(LEGAL_ENTITY, legal_entity)])


def of_event(contract_workflow_id: str) -> TypedSearchAttributes:
    """What is known when an event is received; `contract_workflow_id` is empty where it is not
    known yet which contract it is for."""
    pairs = [SearchAttributePair(EVENT_OUTCOME, _RECEIVED)]
    if contract_workflow_id:
        _, legal_entity, contract_id = contract_workflow_id.split("/")
        pairs.append(SearchAttributePair(CONTRACT_ID, contract_id))
        pairs.append(SearchAttributePair(LEGAL_ENTITY, legal_entity))
    return TypedSearchAttributes(pairs)
