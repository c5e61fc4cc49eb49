"""Configurable faults in front of the stand-ins, to show what the product makes of them.

A rule names the paths it concerns and what happens to a request:

    {"path": "^/json/2/account.move/", "kind": "status", "status": 503, "probability": 0.2}
    {"kind": "latency", "seconds": 0.5}
    {"path": "/load$", "kind": "drop", "times": 1}
    {"path": "/load$", "kind": "answer", "body": {"ids": false, "messages": [...]}, "skip": 2}

`latency` delays, `status` answers an HTTP error without doing anything (`status` may be a list to
choose from), `answer` answers a given body likewise, and `drop` lets the request be carried out
and then closes the connection without an answer. `skip` lets the first matching requests pass,
`times` ends the rule after that many faults. Randomness comes from one seed.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

KINDS = ("latency", "status", "answer", "drop")
NEVER_FAULTY = "/sandbox"
DEFAULT_STATUS = 503
MAX_SECONDS = 600
CLOSE = "sandbox.close"
"""Where the server puts the function that closes the request's connection, in the ASGI scope."""


class DroppedConnection(Exception):
    """The work is done and the caller gets no answer; raised where no connection can be closed."""


@dataclass
class Fault:
    """One rule. `seen` and `done` count matching requests and faults made of them."""

    kind: str
    path: str = ""
    probability: float = 1.0
    times: int | None = None
    skip: int = 0
    seconds: float = 0.0
    status: int | list[int] = DEFAULT_STATUS
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seen: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; one of {', '.join(KINDS)}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability lies between 0 and 1, not {self.probability}")
        if not 0 <= self.seconds <= MAX_SECONDS:
            raise ValueError(f"seconds lie between 0 and {MAX_SECONDS}, not {self.seconds}")
        re.compile(self.path)

    def strikes(self, path: str, dice: random.Random) -> bool:
        """Whether this request is hit; counts."""
        if not re.search(self.path, path) or (self.times is not None and self.done >= self.times):
            return False
        self.seen += 1
        if self.seen <= self.skip or dice.random() >= self.probability:
            return False
        self.done += 1
        return True


class Faults:
    """The rules in force, shared by the middleware and the administration."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._dice = random.Random(seed)  # noqa: S311  (reproducible, not secret)
        self._rules: list[Fault] = []

    def configure(self, rules: list[dict[str, Any]], seed: int | None = None) -> None:
        """Replace all rules; none is changed if one is malformed."""
        parsed = [Fault(**rule) for rule in rules]
        with self._lock:
            self._rules = parsed
            if seed is not None:
                self._dice.seed(seed)

    def configure_from(self, path: Path) -> None:
        """Rules from a JSON file: `{"seed": 1, "rules": [...]}`."""
        document = json.loads(path.read_text("utf-8"))
        self.configure(document["rules"], document.get("seed"))

    def add(self, **rule: Any) -> None:
        fault = Fault(**rule)
        with self._lock:
            self._rules.append(fault)

    def clear(self) -> None:
        self.configure([])

    def report(self) -> list[dict[str, Any]]:
        """The rules with their counts."""
        with self._lock:
            return [dict(vars(rule)) for rule in self._rules]

    def striking(self, path: str) -> list[Fault]:
        """The rules that hit a request."""
        with self._lock:
            return [rule for rule in self._rules if rule.strikes(path, self._dice)]

    def choose(self, statuses: int | list[int]) -> int:
        with self._lock:
            return self._dice.choice(statuses) if isinstance(statuses, list) else statuses


class FaultMiddleware:
    """Applies the rules to every HTTP request but the administration's."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path.startswith(NEVER_FAULTY):
            await self._app(scope, receive, send)
            return
        struck = {rule.kind: rule for rule in self._faults.striking(path)}
        if "latency" in struck:
            await asyncio.sleep(struck["latency"].seconds)
        if "status" in struck:
            rule = struck["status"]
            status = self._faults.choose(rule.status)
            await _answer(receive, send, status, rule.body or _sorry(status), rule.headers)
        elif "answer" in struck:
            await _answer(receive, send, 200, struck["answer"].body, struck["answer"].headers)
        elif "drop" in struck:
            await self._app(scope, receive, _swallow)
            await _close(scope, receive)
        else:
            await self._app(scope, receive, send)


def _sorry(status: int) -> dict[str, Any]:
    return {"name": "sandbox.Fault", "message": f"fault injected: {status}", "arguments": []}


async def _swallow(message: Message) -> None:
    """Take an answer and send nothing."""


async def _close(scope: Scope, receive: Receive) -> None:
    """Close the connection, and wait until the server knows that it is closed."""
    if CLOSE not in scope:
        raise DroppedConnection(scope["path"])
    scope[CLOSE]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(
    receive: Receive, send: Send, status: int, body: Any, headers: dict[str, str]
) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            break
    raw = json.dumps(body).encode()
    lines = {"content-type": "application/json", "content-length": str(len(raw)), **headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": raw})
