"""What the engine bills for one contract, and how long its histories get: gates, by counting."""

from __future__ import annotations

from benchmarks import cost
from benchmarks.frame import Bench, at_most, benchmark

MILESTONES = 4
MAX_ACTIONS = 74
MAX_EVENTS = 2_000


@benchmark("actions", about="billable Temporal actions of one contract", minutes=10)
async def actions(bench: Bench) -> None:
    """Counted from the histories of a contract with four milestones, signature to close-out; on
    the stand-in, because counts do not depend on what Odoo costs."""
    found = await cost.measure(MILESTONES)
    longest = max(found.contract_events, found.invoice_events)
    bench.report("actions_events", longest, at_most(MAX_EVENTS), unit="events in a history")
    bench.report(
        "actions",
        found.actions,
        at_most(MAX_ACTIONS),
        unit="billable actions",
        milestones=MILESTONES,
        calls=dict(found.calls),
    )
