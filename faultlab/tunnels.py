"""A host of a campaign: passes connections between its loopback and the other hosts.

    python -m faultlab.tunnels

The product speaks plain HTTP and gRPC on the loopback only; between hosts a firm has an encrypted
tunnel or a mesh, and this takes its place. Orders come as lines of JSON on the standard input, and
each is answered with a line once it is done: `{"listen": [host, port], "to": [host, port]}` passes
on what comes to an address, `{"slow": seconds}` holds up each piece of all connections for so long.
The process ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

PIECE_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0
DONE = "done"
_BACKLOG = 512


class Tunnels:
    """What one host passes on. `slow_seconds` is how long each piece is held up."""

    def __init__(self) -> None:
        self.slow_seconds = 0.0
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        """Connections; asyncio itself holds none of them."""

    async def obey(self, order: dict[str, Any]) -> None:
        """Carry out one order. Raises OSError where an address cannot be listened on."""
        if "slow" in order:
            self.slow_seconds = float(order["slow"])
        else:
            await self.listen(*order["listen"], *order["to"])

    async def listen(self, host: str, port: int, to_host: str, to_port: int) -> None:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(connected(reader, writer))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there = asyncio.open_connection(to_host, to_port, limit=PIECE_BYTES)
                back, forth = await asyncio.wait_for(there, CONNECT_SECONDS)
            except (OSError, TimeoutError):
                writer.transport.abort()
                return
            try:
                await asyncio.gather(self._pass(reader, forth), self._pass(back, writer))
            finally:
                forth.transport.abort()
                writer.transport.abort()

        self._servers.append(
            await asyncio.start_server(accept, host, port, limit=PIECE_BYTES, backlog=_BACKLOG)
        )

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on until one side is gone; an end of one direction is passed on as such."""
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                if self.slow_seconds:
                    await asyncio.sleep(self.slow_seconds)
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            return
        writer.transport.abort()

    def close(self) -> None:
        for server in self._servers:
            server.close()


async def main() -> None:
    tunnels = Tunnels()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await tunnels.obey(json.loads(line))
        print(DONE, flush=True)
    tunnels.close()


if __name__ == "__main__":
    asyncio.run(main())
