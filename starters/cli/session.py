"""One run of the command: how it prints, which legal entity it means, what it reads when needed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from starters.client.errors import Refused

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from starters.cli.errors import Failure
    from starters.client import C2C, Entities
    from wiring.settings import Settings

T = TypeVar("T")

ENTITY_VARIABLE = "C2C_ENTITY"
_PIPED_WIDTH = 160
"""Columns where no terminal says otherwise: a log or a file must not cut identifiers."""


class Session:
    """What the commands share; made once from the global options."""

    def __init__(self, *, as_json: bool, color: bool, entity: str | None) -> None:
        self.as_json = as_json
        self.entity = entity
        self.place = ""
        """Where Temporal was found: its address and namespace."""
        self._color = color

    @cached_property
    def _out(self) -> Console:
        return _console(self._color, stderr=False)

    @cached_property
    def _err(self) -> Console:
        return _console(self._color, stderr=True)

    @property
    def console(self) -> Console:
        """Where results go, for commands that tell what happens while it happens."""
        return self._out

    # --- what is read when needed ---------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """The configuration. Raises ConfigurationError."""
        from wiring.settings import load_settings

        return load_settings()

    @property
    def readable_settings(self) -> Settings | None:
        """The configuration, for commands that can do without."""
        from wiring.settings import ConfigurationError

        try:
            return self.settings
        except ConfigurationError:
            return None

    @property
    def entities(self) -> Entities:
        from starters.client.references import Entities

        return Entities(default=self.default_entity, known=self.known_entities)

    def known_entities(self) -> frozenset[str]:
        """The configured legal entities; empty without a configuration."""
        settings = self.readable_settings
        return frozenset(settings.entities) if settings else frozenset()

    def default_entity(self) -> str:
        """The legal entity that is meant where none is stated. Raises BadReference."""
        from starters.client.references import BadReference

        if self.entity:
            return self.entity
        settings = self.readable_settings
        if settings and settings.default_entity:
            return settings.default_entity
        known = sorted(self.known_entities())
        if len(known) == 1:
            return known[0]
        why = f"several are configured: {', '.join(known)}" if known else "none is configured here"
        raise BadReference(
            f"which legal entity? ({why}); write northwind/C-1001, give --entity or "
            f"{ENTITY_VARIABLE}, or configure default_entity"
        )

    def zone(self, legal_entity: str) -> str:
        """The time zone of a legal entity; UTC where it is not configured here."""
        settings = self.readable_settings
        entity = settings.entities.get(legal_entity) if settings else None
        return entity.time_zone if entity else "UTC"

    def contract(self, reference: str) -> str:
        from starters.client import references

        return references.contract_id(reference, self.entities)

    def invoice(self, reference: str) -> str:
        from starters.client import references

        return references.invoice_id(reference, self.entities)

    def contract_or_invoice(self, reference: str) -> str:
        from starters.client import references

        return references.any_id(reference, self.entities)

    # --- Temporal -------------------------------------------------------------------------------

    def run(self, work: Callable[[C2C], Awaitable[T]]) -> T:
        """Connect to Temporal and do the work."""

        from starters.client import C2C
        from wiring import client as temporal

        async def connected() -> T:
            client = await temporal.connect()
            self.place = temporal.place_of(client)
            return await work(C2C(client, self.entities))

        return run(connected())

    # --- printing -------------------------------------------------------------------------------

    @property
    def _may_ask(self) -> bool:
        """Whether a person sits in front of it, who sees the question and what it is about."""
        return not self.as_json and sys.stdin.isatty() and sys.stdout.isatty()

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something that takes effect at once; `yes` answers beforehand.

        Raises Refused where nobody can be asked: silence is no consent.
        """
        if yes:
            return
        if not self._may_ask:
            raise Refused(f"{question} Nobody can be asked here; --yes answers it")
        from starters.cli.tables import cleaned

        typer.confirm(cleaned(question), abort=True)

    def show(self, document: Any, *views: RenderableType) -> None:
        """Print a result: the document for programs, the views for people."""
        if self.as_json:
            self.print_raw(json_text(document))
            return
        self.tell(*views)

    def tell(self, *views: RenderableType) -> None:
        """Print for people only, such as what they are about to confirm."""
        if self.as_json:
            return
        from starters.cli.tables import Words, cleaned

        for view in views:
            if isinstance(view, str) and self._out.is_terminal:
                self._out.print(Words(view), crop=False)
            elif isinstance(view, str):
                self._out.print(cleaned(view), soft_wrap=True)
            else:
                # What does not fit is left to the terminal to wrap: nothing may be cut off.
                self._out.print(view, crop=False)

    def print_raw(self, text: str) -> None:
        """Print a document as it is, whoever reads it."""
        sys.stdout.write(text + "\n")

    def warn(self, message: str) -> None:
        self._tell_error(("Warning: ", "yellow"), message)

    def warn_unreadable(self, workflow_id: str, error: Exception) -> None:
        from starters.client.references import short

        self.warn(f"{short(workflow_id)} is left out: {error}")

    def fail(self, failure: Failure) -> None:
        """Tell a failure: in words on standard error, and as the document for programs."""
        if self.as_json:
            self.show(failure.document())
        elif failure.problems:
            from starters.cli.tables import problems

            self._err.print(problems(failure.problems), crop=False)
        self._tell_error(("Error: ", "bold red"), failure.message)

    def _tell_error(self, kind: tuple[str, str], message: str) -> None:
        from rich.text import Text

        from starters.cli.tables import cleaned

        self._err.print(Text.assemble(kind, cleaned(message)), soft_wrap=True)

    def progress(self, what: str) -> Any:
        """A spinner on standard error while something takes long; silent where nobody looks."""
        return self._err.status(what)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def session_of(context: typer.Context) -> Session:
    session = context.find_object(Session)
    if session is None:
        raise RuntimeError("the command was run without its root")
    return session


def json_text(document: Any) -> str:
    """The document as JSON, without a single float: money and rates must survive any reader."""
    return json.dumps(_plain(document), ensure_ascii=False, indent=2)


def _plain(node: Any) -> Any:
    if hasattr(node, "model_dump"):  # a model of pydantic, which a command may do without
        return _plain(node.model_dump(mode="json"))
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(item) for item in node]
    return str(node) if isinstance(node, float) else node


def _console(color: bool, *, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    plain = not color or bool(os.environ.get("NO_COLOR"))
    return Console(
        stderr=stderr,
        # Rich takes NO_COLOR for colours alone; who sets it wants no bold either. Where no terminal
        # listens it writes none of both by itself.
        color_system=None if plain else "auto",
        width=None if stream.isatty() else _PIPED_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )
