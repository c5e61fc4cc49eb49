"""What the modules of activities/odoo use of Odoo, read off the calls they make."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest

from activities.odoo.requirements import BY_MODULE
from gateways.odoo import OdooClient, Transport
from sandbox.odoo.schema import schemas

_METHODS = (
    *("load", "search_read", "matching", "find", "read", "read_related", "write", "save", "press"),
    *("mail", "create", "call"),
)
_ROW_ID = ("id", ".id")
_CLEAR = 5
"""The command that deletes all lines of a one2many."""

_caller: ContextVar[str] = ContextVar("caller", default="")
"""The module that asked the client. A context goes with a request into the thread that sends it."""


@dataclass
class Used:
    """What was done with one model."""

    fields: set[str] = field(default_factory=set)
    rights: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)


Uses = dict[str, Used]
"""By model."""

Answer = Callable[[str, str, Any], Any]


class Recorder:
    """A transport between a client and the real one, which notes what each module does.

    `changed` may replace an answer, by model and method: a way into code that a stand-in never
    leads to.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.uses: dict[str, Uses] = defaultdict(lambda: defaultdict(Used))
        self.changed: Answer = lambda model, method, answer: answer

    def execute(
        self, model: str, method: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Any:
        _note(self.uses[_caller.get()], model, method, bool(ids), arguments)
        return self.changed(model, method, self._transport.execute(model, method, ids, arguments))

    def close(self) -> None:
        self._transport.close()


def remember_callers(patch: pytest.MonkeyPatch) -> None:
    """Let each request of a client know which module it comes from."""
    for name in _METHODS:
        patch.setattr(OdooClient, name, _remembering(getattr(OdooClient, name)))


def _remembering(method: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **named: Any) -> Any:
        token = _caller.set(_module())
        try:
            return method(*arguments, **named)
        finally:
            _caller.reset(token)

    return called


def remember_activities(patch: pytest.MonkeyPatch) -> dict[str, bool]:
    """The activities of the modules that declare needs, and whether each was called since."""
    called: dict[str, bool] = {}
    for module in map(importlib.import_module, BY_MODULE):
        for name, owner in inspect.getmembers(module, inspect.isclass):
            if owner.__module__ != module.__name__:
                continue
            for method, function in inspect.getmembers(owner, inspect.isfunction):
                if hasattr(function, "__temporal_activity_definition"):
                    key = f"{name}.{method}"
                    called[key] = False
                    patch.setattr(owner, method, _noting(function, called, key))
    return called


def _noting(function: Callable[..., Any], called: dict[str, bool], key: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*arguments: Any) -> Any:
        called[key] = True
        return function(*arguments)

    return noted


def _module() -> str:
    """The nearest module on the stack that declares what it needs; "" if none does."""
    frame = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name in BY_MODULE:
            return name
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def _note(
    uses: Uses, model: str, method: str, on_records: bool, arguments: Mapping[str, Any]
) -> None:
    used = uses[model]
    match method:
        case "load":
            _note_columns(uses, model, arguments["fields"])
        case "search_read":
            _note_domain(uses, model, arguments["domain"])
            _note_fields(uses, model, arguments["fields"])
            order = [item.split()[0] for item in arguments.get("order", "").split(",") if item]
            _note_fields(uses, model, order)
        case "formatted_read_group":
            used.methods.add(method)
            _note_domain(uses, model, arguments["domain"])
            parts = [*arguments["groupby"], *arguments["aggregates"]]
            named = (item.partition(":")[0] for item in parts)
            _note_fields(uses, model, (name for name in named if name != "__count"))
        case "read":
            _note_fields(uses, model, arguments["fields"])
        case "write":
            used.rights.add("write")
            _note_values(uses, model, arguments["vals"])
        case "web_save":
            used.rights.add("write" if on_records else "create")
            _note_values(uses, model, arguments["vals"])
            _note_specification(uses, model, arguments["specification"])
        case "web_read":
            _note_specification(uses, model, arguments["specification"])
        case "unlink":
            used.rights.add("unlink")
        case _:
            used.methods.add(method)
            if method == "message_post":
                uses["mail.message"].rights.add("create")


def _note_columns(uses: Uses, model: str, columns: Sequence[str]) -> None:
    for column in columns:
        *path, last = column.split("/")
        names = path if last in _ROW_ID else [*path, last]
        at = model
        for name in names:
            uses[at].fields.add(name)
            at = _relation(at, name)
    # A row of an external id creates or finds a record; one of a database id changes it.
    uses[model].rights |= {"create", "write"} if "id" in columns else {"write"}
    for parent in {column.partition("/")[0] for column in columns if _is_of_a_line(column)}:
        uses[_relation(model, parent)].rights |= {"create", "write"}


def _is_of_a_line(column: str) -> bool:
    """`order_line/name`, but not `partner_id/id`, which only refers to a record."""
    *path, last = column.split("/")
    return bool(path) and (last not in _ROW_ID or len(path) > 1)


def _note_domain(uses: Uses, model: str, domain: Sequence[Any]) -> None:
    for term in domain:
        if isinstance(term, str):
            continue
        path, operator, _ = term
        at = model
        for name in path.split("."):
            if name not in _ROW_ID:
                uses[at].fields.add(name)
            at = _relation(at, name) or at
        if operator == "child_of":
            uses[at].fields.add("parent_id")


def _note_fields(uses: Uses, model: str, names: Iterable[str]) -> None:
    uses[model].fields.update(name for name in names if name not in _ROW_ID)


def _note_values(uses: Uses, model: str, values: Mapping[str, Any]) -> None:
    _note_fields(uses, model, values)
    for name, value in values.items():
        if isinstance(value, list) and [_CLEAR, 0, 0] in value:
            uses[_relation(model, name)].rights.add("unlink")


def _note_specification(uses: Uses, model: str, specification: Mapping[str, Any]) -> None:
    _note_fields(uses, model, specification)
    for name, more in specification.items():
        if "fields" in more:
            _note_specification(uses, _relation(model, name), more["fields"])


def _relation(model: str, name: str) -> str:
    if name in _ROW_ID:
        return model
    return schemas()[model].fields[name].relation
