"""The command line under test: it runs for real, the operations behind it answer as told."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from typer.testing import Result

from starters import operations

CONTRACT = "contract/northwind/C-1"
INVOICE = f"{CONTRACT}/invoice/1"

Invoke = Callable[..., Result]


class Calls:
    """Stands for `starters.operations` and its like: answers as told, keeps what was asked."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def answer(self, name: str, result: Any, module: ModuleType = operations) -> None:
        async def fake(_client: object, *arguments: Any, **named: Any) -> Any:
            self.made.append((name, arguments, named))
            if isinstance(result, Exception):
                raise result
            return result

        self._patch.setattr(module, name, fake)

    @property
    def last(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return self.made[-1]

    @property
    def message(self) -> Any:
        """What was sent last."""
        return self.last[1][1]
