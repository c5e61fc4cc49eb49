"""A Temporal server with a database file, and a world on it whose payloads are encrypted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client
from temporalio.testing import TimeSkipper

from gateways.encryption.keys import KeyRing
from gateways.encryption.masters import new_master
from gateways.encryption.settings import CodecSettings, EncryptionSettings, RecordsSettings
from gateways.retention.settings import RetentionSettings
from sandbox import clock
from sandbox.stack import temporal_command
from tests.servers import OdooServer
from tests.world import World
from wiring import encryption
from wiring.settings import Protection, Settings
from workers import worker

NAMESPACE = "sealed"
_START_SECONDS = 60
MASTER = new_master()
RULES = {
    "decodes_days": 2_000,
    "payloads_days": 2_000,
    "entities": {"northwind": {"payloads_days": 2_000, "keys_days": 2_000, "audit_days": 2_000}},
}


def protection(folder: Path) -> Protection:
    """A master, and records in the folder."""
    return Protection(
        records=RecordsSettings(folder=folder),
        encryption=EncryptionSettings.model_validate(
            {"masters": {"test": {"key": MASTER}}, "codec": CodecSettings()}
        ),
    )


@dataclass
class Sealed:
    """What runs: the server's address and files, the client as configured, the settings."""

    address: str
    folder: Path
    settings: Settings
    client: Client
    opened: list[World] = field(default_factory=list)

    @property
    def records(self) -> Path:
        return self.folder / "records"

    def ring(self) -> KeyRing:
        """Keys as another process has them: nothing is kept in memory yet."""
        return encryption.key_ring(protection(self.records))

    async def another_client(self, records: Path | None = None) -> Client:
        """A client with a memory of its own, by default over the same records."""
        return await connected(self.address, protection(records or self.records))

    def database(self) -> bytes:
        """All that Temporal has written."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("temporal.db*")))


async def connected(address: str, protected: Protection) -> Client:
    converter = encryption.converter(protected, address)
    return await Client.connect(address, namespace=NAMESPACE, data_converter=converter)


@contextlib.asynccontextmanager
async def running(
    folder: Path, settings: Settings, *, ui: Sequence[str] = ("--headless",)
) -> AsyncIterator[Sealed]:
    """The server alone, by default without its pages; `world` adds workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = temporal_command(folder / "temporal.db", NAMESPACE, port, *ui)
    with (folder / "temporal.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        address, deadline = f"127.0.0.1:{port}", time.monotonic() + _START_SECONDS
        protected = protection(folder / "records")
        settings = settings.model_copy(
            update={
                "records": protected.records,
                "encryption": protected.encryption,
                "retention": RetentionSettings.model_validate(RULES),
            }
        )
        while True:
            try:
                client = await connected(address, protected)
                break
            except RuntimeError:
                assert time.monotonic() < deadline, "Temporal did not come up"
                await asyncio.sleep(0.2)
        yield Sealed(address, folder, settings, client)
    finally:
        server.terminate()
        server.wait(30)


@contextlib.asynccontextmanager
async def world(sealed: Sealed, odoo: OdooServer) -> AsyncIterator[World]:
    """Workers on an Odoo, and the verbs to tell a story with."""
    skipper = TimeSkipper(sealed.client, config=clock.BY_HAND)
    async with worker.running(sealed.client, sealed.settings):
        yield World(client=skipper.client, time=skipper, server=odoo)
