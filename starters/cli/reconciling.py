"""`c2c reconcile`: what differs between contracts and Odoo, after a restore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from starters.cli.errors import ExitCode
from starters.cli.session import Session, session_of

if TYPE_CHECKING:
    from starters.cli.tables import View
    from starters.reconciling import Reconciled


def reconcile(context: typer.Context) -> None:
    """After a restore: compare every open contract with Odoo, and list what differs. Nothing is
    changed; see docs/restore.md for what to do first."""
    from wiring import garbage

    session = session_of(context)
    garbage.look_while_reading()
    done = [_reconciled(session, entity) for entity in session.chosen_entities()]
    session.show({"entities": done}, *(view for item in done for view in _views(item)))
    for item in done:
        for contract, why in item.unreadable.items():
            session.warn(f"{contract} is not compared: {why}")
    if any(item.unreadable for item in done):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if not all(item.is_whole for item in done):
        raise typer.Exit(ExitCode.REFUSED)


def _reconciled(session: Session, entity: str) -> Reconciled:
    from starters.reconciling import reconcile as compared  # late: Odoo's client comes with it

    return session.run(
        lambda c2c: compared(c2c.client, session.settings, entity, progress=session.progress)
    )


def _views(found: Reconciled) -> Iterator[View | str]:
    from contracts.reconciling import Kind
    from starters.cli.tables import Table
    from starters.client.references import short

    counted = f"{found.entity}: {found.contracts} open contracts compared"
    if not found.differences:
        yield f"{counted}, nothing differs."
        return
    yield f"{counted}, {len(found.differences)} differences{' and more' * found.more}:"
    yield Table(
        ("Contract", "What", "Record", "*Here", "*In Odoo"),
        [
            (short(item.contract), item.kind.replace("_", " "), item.record, item.here, item.there)
            for item in found.differences
        ],
    )
    there = {item.kind for item in found.differences}
    for kind in Kind:
        if kind in there:
            yield f"{kind.replace('_', ' ')}: {kind.words}."
