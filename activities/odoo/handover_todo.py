"""What the project manager reads of a contract: the note of the to-do, as Odoo shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from contracts.handover import HandoverPlan
from contracts.model import Contract
from contracts.views.sold import Section, sold


def note_of(contract: Contract, plan: HandoverPlan, kept: Sequence[str]) -> str:
    """The hand-over as HTML."""
    return "".join(_html(section) for section in [*sold(contract, plan), *_kept(kept)])


def _kept(kept: Sequence[str]) -> Iterator[Section]:
    if kept:
        yield Section("Kept as edited in Odoo", tuple((line, "") for line in kept))


def _html(section: Section) -> str:
    return f"<p><b>{escape(section.title)}</b></p><ul>{''.join(_lines(section.lines))}</ul>"


def _lines(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    for text, link in lines:
        shown = f'<a href="{escape(link)}">{escape(text)}</a>' if link else escape(text)
        yield f"<li>{shown}</li>"
