"""One run of the command: how it prints, which legal entity it means, what it reads when needed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import typer

from starters.client import references
from starters.client.errors import Refused
from starters.client.references import BadReference, Entities, short

if TYPE_CHECKING:
    import asyncio

    from starters.cli.errors import Failure
    from starters.cli.tables import View
    from starters.client import C2C, ContractClient, InvoiceClient
    from starters.client.api import ApiC2C
    from wiring.settings import Settings

T = TypeVar("T")

ENTITY_VARIABLE = "C2C_ENTITY"
API_VARIABLE = "C2C_API"


class Session:
    """What the commands share; made once from the global options."""

    def __init__(self, *, as_json: bool, color: bool, entity: str | None, api: str = "") -> None:
        self.as_json = as_json
        self.api = api
        """The address of the application that is asked instead of Temporal; empty: Temporal is."""
        self.entity = entity
        self.color = color and not os.environ.get("NO_COLOR")
        """Whether a terminal gets colours; who sets NO_COLOR wants no bold either."""
        self.place = ""
        """Where Temporal was found: its address and namespace."""
        self._c2c: C2C | None = None
        self._closing = contextlib.ExitStack()

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
        return Entities(default=self.default_entity, known=self.known_entities)

    def known_entities(self) -> frozenset[str]:
        """The configured legal entities; empty without a configuration."""
        settings = self.readable_settings
        return frozenset(settings.entities) if settings else frozenset()

    def default_entity(self) -> str:
        """The legal entity that is meant where none is stated. Raises BadReference, and
        ConfigurationError where there is a configuration that cannot be read."""
        from wiring.config_file import is_configured
        from wiring.settings import ConfigurationError

        if self.entity:
            return self.entity
        known: list[str] = []
        try:
            if self.settings.default_entity:
                return self.settings.default_entity
            known = sorted(self.settings.entities)
        except ConfigurationError:
            if is_configured():
                raise
        if len(known) == 1:
            return known[0]
        why = f"several are configured: {', '.join(known)}" if known else "none is configured here"
        raise BadReference(
            f"which legal entity? ({why}); write northwind/C-1001, give --entity or "
            f"{ENTITY_VARIABLE}, or configure default_entity"
        )

    def chosen_entities(self) -> list[str]:
        """The legal entity that --entity names, or else all that are configured. Raises
        BadReference for one that is not, and ConfigurationError."""
        known = sorted(self.settings.entities)
        if self.entity and self.entity not in known:
            raise BadReference(f"no legal entity {self.entity}; {', '.join(known)} are")
        return [self.entity] if self.entity else known

    def zone(self, legal_entity: str) -> str:
        """The time zone of a legal entity; UTC where it is not configured here."""
        settings = self.readable_settings
        entity = settings.entities.get(legal_entity) if settings else None
        return entity.time_zone if entity else "UTC"

    # --- Temporal, or the application -----------------------------------------------------------

    def ask_contract(
        self,
        reference: str,
        ask: Callable[[ContractClient], Awaitable[T]],
        request_id: str | None = None,
    ) -> tuple[str, T]:
        """Ask a contract, or tell it something: its name as people write it, and the answer."""
        workflow_id = references.contract_id(reference, self.entities)
        answer = self.run(lambda c2c: ask(c2c.contract(workflow_id).once(request_id)))
        return short(workflow_id), answer

    def ask_invoice(
        self,
        reference: str,
        ask: Callable[[InvoiceClient], Awaitable[T]],
        request_id: str | None = None,
    ) -> tuple[str, T]:
        """The same of an invoice."""
        workflow_id = references.invoice_id(reference, self.entities)
        answer = self.run(lambda c2c: ask(c2c.invoice(workflow_id).once(request_id)))
        return short(workflow_id), answer

    def ask_either(
        self,
        reference: str,
        ask: Callable[[ContractClient | InvoiceClient], Awaitable[T]],
        request_id: str | None = None,
    ) -> tuple[str, T]:
        """The same of a contract or an invoice."""
        workflow_id = references.any_id(reference, self.entities)
        answer = self.run(lambda c2c: ask(c2c.contract_or_invoice(workflow_id).once(request_id)))
        return short(workflow_id), answer

    def run(self, work: Callable[[C2C], Awaitable[T]]) -> T:
        """Do the work on Temporal, or over the application's API, which is connected to once."""
        return self.runner.run(self._done(work))

    async def _done(self, work: Callable[[C2C], Awaitable[T]]) -> T:
        if self._c2c is None:
            self._c2c = self._over_api() if self.api else await self._on_temporal()
        return await work(self._c2c)

    async def _on_temporal(self) -> C2C:
        from starters.client import C2C
        from wiring import client as temporal

        client = await temporal.connect()
        self.place = temporal.place_of(client)
        return C2C(client, self.entities)

    def _over_api(self) -> ApiC2C:
        from starters.client.api import Api, ApiC2C
        from starters.client.credentials import access_token

        try:
            api = Api(self.api, lambda: access_token(self.api))
        except ValueError as error:
            raise BadReference(f"--api: {error}") from None
        self.place = api.address
        self._closing.callback(api.close)
        return ApiC2C(api, self.entities)

    @cached_property
    def person(self) -> str:
        """Whoever is signed in at the application. Raises SignedOut, Unreachable."""

        async def ask(c2c: C2C) -> str:
            return (await cast("ApiC2C", c2c).me()).person

        return self.run(ask)

    @cached_property
    def runner(self) -> asyncio.Runner:
        """Runs coroutines, all in one event loop: a connection belongs to the loop it began in."""
        import asyncio

        return asyncio.Runner()

    def close(self) -> None:
        self._closing.close()
        if "runner" in vars(self):
            self.runner.close()

    # --- printing -------------------------------------------------------------------------------

    @property
    def _may_ask(self) -> bool:
        """Whether a person sits in front of it, who sees the question and what it is about."""
        return not self.as_json and is_terminal(sys.stdin) and is_terminal(sys.stdout)

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

    def show(self, document: Any, *views: View | str) -> None:
        """Print a result: the document for programs, the views for people."""
        if self.as_json:
            print(json_text(document))
        else:
            self.tell(*views)

    def tell(self, *views: View | str) -> None:
        """Print for people only, such as what they are about to confirm."""
        if not self.as_json:
            self._print(sys.stdout, *views)

    def warn(self, message: str) -> None:
        self._tell_error("Warning: ", "yellow", message)

    def warn_unreadable(self, workflow_id: str, error: Exception) -> None:
        self.warn(f"{short(workflow_id)} is left out: {error}")

    def fail(self, failure: Failure) -> None:
        """Tell a failure: in words on standard error, and as the document for programs."""
        if self.as_json:
            self.show(failure.document())
        elif failure.problems:
            from starters.cli.tables import problems

            self._print(sys.stderr, problems(failure.problems))
        self._tell_error("Error: ", "bold red", failure.message)

    def note(self, what: str) -> None:
        """Say what a person has to know meanwhile; it is no part of the result."""
        from starters.cli.tables import cleaned

        print(cleaned(what), file=sys.stderr, flush=True)

    def progress(self, what: str) -> None:
        """Say what takes long; nothing where nobody looks."""
        if is_terminal(sys.stderr):
            print(what, file=sys.stderr, flush=True)

    def _tell_error(self, kind: str, style: str, message: str) -> None:
        from starters.cli.tables import cleaned, painted

        line = [(kind, style), (cleaned(message), "")]
        print(painted(line, color=self._paints(sys.stderr)), file=sys.stderr)

    def _print(self, stream: TextIO, *views: View | str) -> None:
        from starters.cli.tables import Words, painted

        color = self._paints(stream)
        width = shutil.get_terminal_size().columns if is_terminal(stream) else None
        for view in views:
            for line in (Words(view) if isinstance(view, str) else view).lines(width):
                print(painted(line, color=color), file=stream)

    def _paints(self, stream: TextIO) -> bool:
        return self.color and is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


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
    if dataclasses.is_dataclass(node):
        return {item.name: _plain(getattr(node, item.name)) for item in dataclasses.fields(node)}
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(item) for item in node]
    if isinstance(node, date):
        return node.isoformat()
    return str(node) if isinstance(node, float) else node
