"""How a peer's program, in the peers' own Python, talks with the benchmark: lines of JSON.

It says `{"ready": true}` once, then answers each request `{"run": name, "with": argument}` when
that is done. It ends when its standard input does, however the benchmark ended.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, NoReturn
from urllib.parse import urlsplit

from benchmarks.peers.lifecycle import OdooSteps

PREFIX = "PEER_"


@dataclass(frozen=True)
class Surroundings:
    """What a program is told by its environment: how many contracts at once, where it keeps its
    state (an address of PostgreSQL or Redis), and which Odoo it works on."""

    at_once: int
    store: str
    odoo_url: str
    odoo_database: str
    odoo_key: str

    @classmethod
    def read(cls) -> Surroundings:
        values = {name: os.environ[f"{PREFIX}{name.upper()}"] for name in cls.__annotations__}
        return cls(**{**values, "at_once": int(values["at_once"])})  # type: ignore[arg-type]

    @property
    def environment(self) -> dict[str, str]:
        """The environment a program reads them from."""
        return {f"{PREFIX}{name.upper()}": str(value) for name, value in vars(self).items()}

    def steps(self) -> OdooSteps:
        address = urlsplit(self.odoo_url)
        assert address.hostname
        assert address.port
        return OdooSteps(address.hostname, address.port, self.odoo_database, self.odoo_key)


def serve(handlers: Mapping[str, Callable[[Any], None]]) -> NoReturn:
    """Answer requests until the process ends; what libraries print goes to the log."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(json.dumps({"ready": True}) + "\n")
    requests: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        try:
            handlers[request["run"]](request["with"])
        except Exception as error:
            traceback.print_exc()
            answers.write(json.dumps({"error": repr(error)}) + "\n")
        else:
            answers.write(json.dumps({"done": True}) + "\n")


def _read(requests: SimpleQueue[str]) -> None:
    """Take requests, and end the process at once when there can be no more, whatever it does:
    the benchmark may have been killed in the middle of one."""
    for line in sys.stdin:
        requests.put(line)
    sys.stdout.flush()
    os._exit(0)
