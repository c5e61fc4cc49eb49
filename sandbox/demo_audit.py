"""The audit record of the demo: anchored at the end, verified as `c2c audit verify --all` does it,
and asked whether everybody who decided has signed it."""

from __future__ import annotations

from temporalio.client import Client

from contracts.audit.anchors import AnchorDue
from contracts.audit.entries import Entry
from starters.client.names import AUDIT_ANCHOR_WORKFLOW
from starters.client.references import short
from wiring import audit
from wiring.settings import Settings
from workflows import task_queues

_PASSED_ON = "credit_requested"
"""An invoice's word to its contract: it names whoever signed the decision about the dispute."""


async def anchor(client: Client, settings: Settings) -> None:
    """Anchor every chain, as the schedules do once a day."""
    for name, entity in settings.entities.items():
        await client.execute_workflow(
            AUDIT_ANCHOR_WORKFLOW,
            AnchorDue(legal_entity=name, time_zone=entity.time_zone),
            id=f"demo-audit-anchor-{name}",
            task_queue=task_queues.CONTRACTS,
        )


def verified(settings: Settings) -> tuple[str, list[str]]:
    """Verify every chain: a line that says so, and what is wrong."""
    reader, stored = audit.reader(settings), audit.chains(settings)
    chains = anchors = 0
    entries: list[Entry | None] = []
    problems: list[str] = []
    for name in settings.entities:
        checked = reader.anchors(name)
        anchors += checked.count
        problems += [f"{name}: {text}" for text in checked.problems]
        for verdict in reader.every(name, checked):
            chains += 1
            problems += [f"{short(verdict.of)}: {it.text}" for it in verdict.findings]
            entries += [item.entry for item in stored.entries(verdict.of)]
    decisions = [
        entry for entry in entries if entry and not entry.actor.system and entry.what != _PASSED_ON
    ]
    problems += [
        f"{entry.what} of {entry.actor.person} is not signed"
        for entry in decisions
        if not entry.actor.token_id
    ]
    counted = f"{chains} chains, {len(entries)} entries, {anchors} anchors"
    state = "NOT whole" if problems else f"whole; {len(decisions)} signed decisions"
    return f"Audit record: {counted}: {state}", problems
