"""The client knows every message of the workflows, and has one method for each."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections import defaultdict
from typing import Any, get_type_hints

import pytest
from temporalio import workflow

from contracts.access import UPDATE_OF_SIGNAL
from starters.client import ContractClient, InvoiceClient, messages
from starters.client.protocol import Query, Update
from starters.client.workflow import WorkflowClient
from workflows.contract import ContractWorkflow
from workflows.invoice import InvoiceWorkflow

SIDES = [(ContractWorkflow, ContractClient), (InvoiceWorkflow, InvoiceClient)]
BOTH_SIDES = pytest.mark.parametrize(("side", "client"), SIDES, ids=["contract", "invoice"])

BETWEEN_WORKFLOWS = {
    "milestone_reached_in_odoo",
    "milestone_unreached_in_odoo",
    "invoice_changed",
    "invoice_lost",
    "credit_requested",
    "balance_changed",
    "payment_reported",
    "credit_applied",
    "contract_dunning_hold",
    "contract_renewed",
    "renew_run",
}
"""Signals of sweeps, events, contracts and invoices to each other; nobody else sends them."""

OF_SYSTEMS = {"report_signature"}
"""Updates that our own activities send; people say the same in other words."""

TWO_WAYS = {
    "set_hold": {"set_hold", "release_hold"},
    "change_dunning_hold": {"hold_reminders", "release_reminders"},
}
"""Updates that set something or release it: a method for each direction."""


def definition(side: type) -> Any:
    return workflow._Definition.must_from_class(side)


def known(kind: type) -> dict[str, Any]:
    """The client's messages of a kind, by name."""
    found: list[Any] = [item for item in vars(messages).values() if isinstance(item, kind)]
    return {item.name: item for item in found}


def senders(client: type) -> dict[str, set[str]]:
    """Which methods of a client send which Update or Query, by the message's name."""
    found: dict[str, set[str]] = defaultdict(set)
    for owner in (WorkflowClient, client):
        tree = ast.parse(inspect.getsource(owner))
        for method in ast.walk(tree):
            if not isinstance(method, ast.AsyncFunctionDef):
                continue
            for node in ast.walk(method):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "messages":
                    message = getattr(messages, node.attr)
                    if isinstance(message, (Update, Query)):
                        found[message.name].add(method.name)
    return found


@BOTH_SIDES
def test_every_update_is_sent_by_one_method_and_by_its_types(side: type, client: type) -> None:
    updates = definition(side).updates
    assert updates
    sent = senders(client)
    for name, update in updates.items():
        ours = known(Update)[name]
        assert [ours.message] == update.arg_types, name
        assert ours.result == update.ret_type, name
        if name == "decide_approval":
            assert sent[name] == {"_decide"}
        elif name in OF_SYSTEMS:
            assert not sent[name], name
        else:
            assert sent[name] == TWO_WAYS.get(name, sent[name])
            assert len(sent[name]) == len(TWO_WAYS.get(name, {name})), name


@BOTH_SIDES
def test_every_query_is_asked_by_its_type(side: type, client: type) -> None:
    for name, query in definition(side).queries.items():
        assert known(Query)[name].result == query.ret_type


def test_the_client_knows_no_message_that_the_workflows_do_not() -> None:
    definitions = [definition(side) for side, _ in SIDES]
    assert known(Update).keys() == {name for item in definitions for name in item.updates}
    assert known(Query).keys() == {name for item in definitions for name in item.queries}


@BOTH_SIDES
def test_a_client_sends_nothing_that_its_workflow_does_not_take(side: type, client: type) -> None:
    there = definition(side)
    assert senders(client).keys() <= there.updates.keys() | there.queries.keys()


def test_every_signal_carries_the_message_of_an_update_or_is_between_workflows() -> None:
    """The client sends the Update, which is answered."""
    signals = {name for side, _ in SIDES for name in definition(side).signals} - {None}
    assert signals == UPDATE_OF_SIGNAL.keys() | BETWEEN_WORKFLOWS


@BOTH_SIDES
def test_a_signal_takes_what_its_update_takes(side: type, client: type) -> None:
    for signal, update in UPDATE_OF_SIGNAL.items():
        if signal in definition(side).signals:
            hints = get_type_hints(inspect.unwrap(getattr(side, signal)))
            [taken] = [hint for name, hint in hints.items() if name != "return"]
            assert issubclass(taken, known(Update)[update].message), signal


@pytest.mark.parametrize("client", [ContractClient, InvoiceClient])
def test_a_client_can_be_read_at_a_sitting(client: type) -> None:
    public = [name for name, _ in inspect.getmembers(client, inspect.isfunction) if name[0] != "_"]
    assert len(public) <= 33
    for name in public:
        assert inspect.getdoc(getattr(client, name)), name


def test_the_client_starts_without_the_workflows_and_the_command_line() -> None:
    code = (
        "import sys, starters.client; starters.client.ContractClient; print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "starters.client.contracts" in loaded
    packages = {name.partition(".")[0] for name in loaded}
    assert not packages & {"typer", "rich", "httpx", "activities", "gateways", "wiring", "workers"}
    assert not loaded & {"workflows.contract", "workflows.invoice"}
