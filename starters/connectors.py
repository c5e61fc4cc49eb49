"""The installed connectors by their declarations, and which of them this configuration uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from gateways.connectors import Group, Sweep, UnknownConnector, connector, kinds
from wiring.settings import Settings


@dataclass(frozen=True)
class Installed:
    """A kind of connector. `configured` are the names it is configured under, `webhooks` the
    addresses of those that have a secret; `not_tried` is what was never held against a live
    account. `error` says why its declaration cannot be used."""

    group: str
    kind: str
    about: str = ""
    configured: tuple[str, ...] = ()
    sends_webhooks: bool = False
    webhooks: tuple[str, ...] = ()
    sweep: str = ""
    not_tried: str = ""
    error: str = ""


def installed(settings: Settings | None) -> Iterator[Installed]:
    """Every installed kind; without a configuration none of them is configured."""
    for group in Group:
        for kind in kinds(group):
            yield _installed(group, kind, settings)


def _installed(group: Group, kind: str, settings: Settings | None) -> Installed:
    try:
        declared = connector(group, kind)
    except UnknownConnector as error:
        return Installed(group.section, kind, error=str(error))
    tables = settings.connectors(group) if settings else {}
    used = {name: table for name, table in tables.items() if table.kind == kind}
    sending = [name for name, table in used.items() if table.all_webhook_secrets]
    base = settings.web.public_url.rstrip("/") if settings else ""
    return Installed(
        group=group.section,
        kind=kind,
        about=declared.about,
        configured=tuple(used),
        sends_webhooks=declared.webhook is not None,
        webhooks=tuple(f"{base}/webhooks/{name}" for name in sending),
        sweep=sweep_text(group, kind, settings),
        not_tried=declared.live,
    )


def sweep_text(group: Group, kind: str, settings: Settings | None) -> str:
    """How often a connector is looked through, and how far back, in words."""
    declared = connector(group, kind).sweep
    if declared is None:
        return ""
    seconds = getattr(settings.sweeps, f"{group.section}_seconds", None) if settings else None
    every = f"every {in_words(timedelta(seconds=seconds))}, " if seconds else ""
    return f"{every}{reach(declared)}"


def reach(sweep: Sweep) -> str:
    """How far back a sweep looks, in words. One that does not looks at whatever is there."""
    if not sweep.overlap:
        return "all that is there"
    nightly = f", {in_words(sweep.nightly)} once a day" if sweep.nightly else ""
    return f"{in_words(sweep.overlap)} back{nightly}"


def in_words(span: timedelta) -> str:
    """A span in the largest unit that it is a whole number of."""
    seconds = round(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
