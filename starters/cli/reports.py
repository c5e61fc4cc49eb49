"""What `c2c setup` and `c2c check` found and did, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from starters.cli.tables import table
from starters.findings import Change, Did, Finding, Verdict

_VERDICT_STYLE = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.MISSING: "bold red"}
_DID_STYLE = {Did.CREATED: "green", Did.UPDATED: "yellow", Did.UNCHANGED: "dim"}


def changes(items: Sequence[Change]) -> RenderableType:
    return table(
        ("What", "*Name", "Done", ""),
        (
            (item.kind, item.name, Text(item.did, style=_DID_STYLE[item.did]), item.detail)
            for item in items
        ),
    )


def findings(items: Sequence[Finding]) -> RenderableType:
    return table(
        ("Area", "Checked", "", "Found", "What to do"),
        (
            (
                item.area,
                item.subject,
                Text(item.verdict, style=_VERDICT_STYLE[item.verdict]),
                item.detail,
                item.remedy,
            )
            for item in items
        ),
    )


def verdict_of(items: Sequence[Finding]) -> str:
    """The outcome of a check in one sentence."""
    count = {verdict: sum(item.verdict is verdict for item in items) for verdict in Verdict}
    told = f"{count[Verdict.OK]} ok, {count[Verdict.WARN]} to look at"
    if count[Verdict.MISSING]:
        return f"Not ready: {count[Verdict.MISSING]} missing, {told}."
    return f"Ready: {told}."
