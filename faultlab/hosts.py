"""Hosts for a campaign: network namespaces, each with one link to a switch.

All of them are in a network of this process's own, which the rest of the machine does not see, and
which is gone with the last process in it: no bridge, link or rule is left behind. A namespace is
held by its host's process (tunnels.py), which passes connections between its loopback and the other
hosts. So what listens on a host is reached at the same loopback address on every one.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random

from faultlab.tunnels import DONE
from sandbox.stack import StackError

HOME, TEMPORAL, WEB = "home", "temporal", "web"
"""Home has Odoo, its database, the CRM, the payment processor, and the people."""
WORKERS = ("worker-1", "worker-2")
ALL = (HOME, TEMPORAL, WEB, *WORKERS)

LOOPBACK = "127.0.0.1"
_SWITCH = "switch"
_NETWORK = "10.79.0."
_NOBODY = "02:00:00:00:00:01"
"""A hardware address that no host has: what is sent to it is lost without a word."""
_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of Linux."""
_SHORT_SECONDS, _LONG_SECONDS = (1.0, 8.0), (12.0, 25.0)
_BETWEEN_SECONDS = (1.0, 4.0)
_LONG_SHARE = 0.3
"""Long is longer than a call's patience, and than an activity's heartbeat may be late."""
_SLOW_SECONDS = (0.05, 0.4)


def leave_the_network() -> None:
    """Give this process, which has no threads yet, a network of its own. Raises StackError."""
    _libc(lambda libc: libc.unshare(_NEW_NETWORK), "a network of its own")
    _run("ip", "link", "set", "lo", "up")


def enter(namespace: str) -> None:
    """Let this process, which has no threads yet, be on a host from now on. Raises StackError."""
    with Path(namespace).open("rb") as file:
        _libc(lambda libc: libc.setns(file.fileno(), _NEW_NETWORK), namespace)


class Host:
    """One host: its address, and its process."""

    def __init__(self, name: str, address: str, *, is_here: bool = False) -> None:
        self.name, self.address = name, address
        command = [sys.executable, "-m", "faultlab.tunnels"]
        if not is_here:
            command = ["unshare", "--net", *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us, and it ends with its input
        )
        self.obey({"slow": 0})  # It answers once it is in its namespace.
        self.on("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def namespace(self) -> str:
        """The file that a process enters to be on this host."""
        return f"/proc/{self.pid}/ns/net"

    def command(self, command: Sequence[str | Path]) -> list[str | Path]:
        """What starts a program on this host; it has the program's own process id."""
        return ["nsenter", f"--net={self.namespace}", "--", *command]

    def on(self, *command: str) -> None:
        """Run a short program on this host. Raises StackError."""
        _run(*map(str, self.command(command)))

    def obey(self, order: dict[str, object]) -> None:
        """Have the host's process carry out an order. Raises StackError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError as error:
            raise StackError(f"host {self.name} is gone: {error}") from error
        if answer.strip() != DONE:
            raise StackError(f"host {self.name} did not obey {order}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate()


class Hosts:
    """All hosts and the links between them. Start it in a network of one's own."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}
        self._switch = Host(_SWITCH, "")
        try:
            self._switch.on("ip", "link", "add", _SWITCH, "type", "bridge")
            self._switch.on("ip", "link", "set", _SWITCH, "up")
            for number, name in enumerate(ALL, start=1):
                self._add(Host(name, f"{_NETWORK}{number}", is_here=name == HOME))
        except BaseException:
            self.stop()
            raise

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def _add(self, host: Host) -> None:
        """Connect a host to the switch by a link of its name."""
        self._hosts[host.name] = host
        ends = ("type", "veth", "peer", "name", "net0", "netns", str(host.pid))
        _run("ip", "link", "add", host.name, "netns", str(self._switch.pid), *ends)
        self._switch.on("ip", "link", "set", host.name, "master", _SWITCH, "up")
        host.on("ip", "address", "add", f"{host.address}/24", "dev", "net0")
        host.on("ip", "link", "set", "net0", "up")

    def serve(self, port: int, on: str) -> None:
        """Let all hosts reach what listens on a port of one host's loopback, at the same port of
        their own."""
        server = self[on]
        server.obey({"listen": [server.address, port], "to": [LOOPBACK, port]})
        for host in self._hosts.values():
            if host is not server:
                host.obey({"listen": [LOOPBACK, port], "to": [server.address, port]})

    def stop(self) -> None:
        for host in (*self._hosts.values(), self._switch):
            host.stop()

    # --- faults -----------------------------------------------------------------------------------

    async def cut(self, name: str, seconds: float) -> None:
        """Nothing reaches a host or leaves it."""
        await asyncio.to_thread(self._switch.on, "ip", "link", "set", name, "down")
        try:
            await asyncio.sleep(seconds)
        finally:
            self._switch.on("ip", "link", "set", name, "up")

    async def lose(self, name: str, to: str, seconds: float) -> None:
        """What one host sends to another is lost; the other way, and all others, work."""
        way = (self[to].address, "dev", "net0")
        lost = ("ip", "neighbour", "replace", *way, "lladdr", _NOBODY, "nud", "permanent")
        await asyncio.to_thread(self[name].on, *lost)
        try:
            await asyncio.sleep(seconds)
        finally:
            self[name].on("ip", "neighbour", "delete", *way)

    async def slow(self, name: str, each_seconds: float, seconds: float) -> None:
        """Each piece that a host sends or gets is held up."""
        await asyncio.to_thread(self[name].obey, {"slow": each_seconds})
        try:
            await asyncio.sleep(seconds)
        finally:
            self[name].obey({"slow": 0})


class LinkFaults:
    """F16: links that are cut, lose one direction, or are slow; drawn from a seed."""

    def __init__(self, hosts: Hosts, seed: int) -> None:
        self._hosts = hosts
        self._random = Random(f"links {seed}")  # noqa: S311 - to repeat
        self.all: list[tuple[str, float]] = []
        """What was done to which link, and for how many seconds."""

    async def run(self) -> None:
        """One fault after the other, with some time between, until cancelled; then all links are as
        they were."""
        kinds = (self._cut, self._lose, self._slow)
        while True:
            await asyncio.sleep(self._random.uniform(*_BETWEEN_SECONDS))
            is_long = self._random.random() < _LONG_SHARE
            seconds = self._random.uniform(*(_LONG_SECONDS if is_long else _SHORT_SECONDS))
            what, fault = self._random.choice(kinds)(seconds)
            self.all.append((what, seconds))
            await fault

    def _cut(self, seconds: float) -> tuple[str, Coroutine[None, None, None]]:
        name = self._random.choice(ALL)
        return f"{name} cut off", self._hosts.cut(name, seconds)

    def _lose(self, seconds: float) -> tuple[str, Coroutine[None, None, None]]:
        """Such as a worker that hears Temporal, and whose calls do not reach Odoo."""
        name, to = self._random.sample(ALL, 2)
        return f"{name} to {to} lost", self._hosts.lose(name, to, seconds)

    def _slow(self, seconds: float) -> tuple[str, Coroutine[None, None, None]]:
        name = self._random.choice(ALL)
        each = self._random.uniform(*_SLOW_SECONDS)
        return f"{name} slow", self._hosts.slow(name, each, seconds)


def _libc(call: Callable[[ctypes.CDLL], int], what: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if call(libc) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise StackError(f"{what}: {reason}; hosts need the right to make networks (root)")


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise StackError(f"{command[0]} is needed: install iproute2 and util-linux") from error
    except subprocess.CalledProcessError as error:
        raise StackError(f"{' '.join(command)}: {error.stderr.strip()}") from error
