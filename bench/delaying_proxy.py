"""A TCP proxy that delays every packet, to simulate a server on a network."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

from dev.ports import LOOPBACK, free_port

#: most bytes of one read
CHUNK = 65_536


class DelayingProxy:
    """Forwards connections to `host`:`port` with a delay in each direction; it listens on `.port`.

    Args:
        host: the host of the server.
        port: the port of the server.
        one_way_ms: the delay of each direction, half of the round trip, in milliseconds.
    """

    def __init__(self, host: str, port: int, one_way_ms: float) -> None:
        self._target = (host, port)
        self._delay_s = one_way_ms / 1000
        self._loop = asyncio.new_event_loop()
        self.port = free_port()

    def __enter__(self) -> Self:
        ready = threading.Event()

        async def serve() -> None:
            await asyncio.start_server(self._connected, LOOPBACK, self.port)
            ready.set()

        def run() -> None:
            self._loop.create_task(serve())
            self._loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(CHUNK):
                # Each packet has its own time: a packet does not wait for the delay of the one before.
                self._loop.call_later(self._delay_s, writer.write, content)
            self._loop.call_later(self._delay_s, writer.close)
