"""One run of the command: how it prints, which legal entity it means, what it reads when needed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.text import Text

from starters.cli import render
from starters.cli.errors import Failure
from starters.client import C2C, BadReference, Entities, references
from wiring import client as temporal
from wiring.settings import ConfigurationError, Settings, load_settings

T = TypeVar("T")

ENTITY_VARIABLE = "C2C_ENTITY"
PERSON_VARIABLE = "C2C_BY"
_PIPED_WIDTH = 160
"""Columns where no terminal says otherwise: a log or a file must not cut identifiers."""

By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="PERSON",
        envvar=PERSON_VARIABLE,
        help="Who says so, as the approval rules name people: usually an e-mail address.",
    ),
]


class Session:
    """What the commands share; made once from the global options."""

    def __init__(self, *, as_json: bool, color: bool, entity: str | None) -> None:
        self.as_json = as_json
        self.entity = entity
        self._out = _console(color, stderr=False)
        self._err = _console(color, stderr=True)

    @property
    def console(self) -> Console:
        """Where results go, for commands that tell what happens while it happens."""
        return self._out

    # --- what is read when needed ---------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        """The configuration. Raises ConfigurationError."""
        return load_settings()

    @property
    def readable_settings(self) -> Settings | None:
        """The configuration, for commands that can do without."""
        try:
            return self.settings
        except ConfigurationError:
            return None

    @property
    def entities(self) -> Entities:
        return Entities(default=self.default_entity, known=self.known_entities)

    def known_entities(self) -> frozenset[str]:
        """The configured legal entities; empty without a configuration."""
        settings = self.readable_settings
        return frozenset(settings.entities) if settings else frozenset()

    def default_entity(self) -> str:
        """The legal entity that is meant where none is stated. Raises BadReference."""
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
        return references.contract_id(reference, self.entities)

    def invoice(self, reference: str) -> str:
        return references.invoice_id(reference, self.entities)

    def contract_or_invoice(self, reference: str) -> str:
        return references.any_id(reference, self.entities)

    # --- Temporal -------------------------------------------------------------------------------

    def run(self, work: Callable[[C2C], Awaitable[T]]) -> T:
        """Connect to Temporal and do the work."""

        async def connected() -> T:
            return await work(C2C(await temporal.connect(), self.entities))

        return run(connected())

    # --- printing -------------------------------------------------------------------------------

    @property
    def may_ask(self) -> bool:
        """Whether a person sits in front of it."""
        return not self.as_json and sys.stdin.isatty() and sys.stdout.isatty()

    def show(self, document: Any, *views: RenderableType) -> None:
        """Print a result: the document for programs, the views for people."""
        if self.as_json:
            self._out.file.write(json_text(document) + "\n")
            return
        self.tell(*views)

    def tell(self, *views: RenderableType) -> None:
        """Print for people only, such as what they are about to confirm."""
        for view in () if self.as_json else views:
            if isinstance(view, str):
                self._out.print(render.cleaned(view), soft_wrap=True)
            else:
                # What does not fit is left to the terminal to wrap: nothing may be cut off.
                self._out.print(view, crop=False)

    def print_raw(self, text: str) -> None:
        """Print a document as it is, whoever reads it."""
        self._out.file.write(text + "\n")

    def warn(self, message: str) -> None:
        self._tell_error(("Warning: ", "yellow"), message)

    def warn_unreadable(self, workflow_id: str, error: Exception) -> None:
        self.warn(f"{references.short(workflow_id)} is left out: {error}")

    def fail(self, failure: Failure) -> None:
        """Tell a failure: in words on standard error, and as the document for programs."""
        if self.as_json:
            self.show(failure.document())
        elif failure.problems:
            self._err.print(render.problems(failure.problems), crop=False)
        self._tell_error(("Error: ", "bold red"), failure.message)

    def _tell_error(self, kind: tuple[str, str], message: str) -> None:
        self._err.print(Text.assemble(kind, render.cleaned(message)), soft_wrap=True)

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
    if isinstance(node, BaseModel):
        return _plain(node.model_dump(mode="json"))
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(item) for item in node]
    return str(node) if isinstance(node, float) else node


def _console(color: bool, *, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        # Rich itself honours NO_COLOR, and writes no colours where no terminal listens.
        no_color=True if not color or os.environ.get("NO_COLOR") else None,
        width=None if stream.isatty() else _PIPED_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )
