"""The command line under test: it runs for real, the workflows behind it answer as told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from starters.client import calls as calls_
from starters.client.protocol import Query, Update

CONTRACT = "contract/northwind/C-1"
INVOICE = f"{CONTRACT}/invoice/1"

Invoke = Callable[..., Result]


class Calls:
    """Stands for the workflows: answers Updates and Queries as told, keeps what was sent."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._answers: dict[str, Any] = {}
        self.made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        patch.setattr(calls_, "query", self._query)
        patch.setattr(calls_, "update", self._update)
        patch.setattr(calls_, "trying", self._trying)

    def answer(self, name: str, result: Any, owner: object = None) -> None:
        """Answer the Update or Query of that name; or, with `owner`, the function or method."""
        self._answers[name] = result
        if owner is not None:

            async def fake(_client: object, *arguments: Any, **named: Any) -> Any:
                return self._made(name, arguments, named)

            self._patch.setattr(owner, name, fake)

    @property
    def last(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return self.made[-1]

    @property
    def message(self) -> Any:
        """What was sent last."""
        return self.last[1][1]

    async def _query(self, _client: object, workflow_id: str, query: Query[Any]) -> Any:
        return self._made(query.name, (workflow_id,), {})

    async def _trying(self, _client: object, ids: list[str]) -> Any:
        return self._answers.get("trying", [])

    async def _update(
        self,
        _client: object,
        workflow_id: str,
        update: Update[Any, Any],
        message: Any,
        *,
        request_id: str | None = None,
        sign: object = None,
    ) -> Any:
        return self._made(update.name, (workflow_id, message), {"request_id": request_id})

    def _made(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self.made.append((name, arguments, named))
        result = self._answers[name]
        if isinstance(result, Exception):
            raise result
        return result
