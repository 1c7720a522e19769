"""A TCP proxy between the stack and one of its servers: it forwards, or makes faults like those of a network.

    with Proxy("127.0.0.1", 8080) as proxy:
        proxy.refuse()                      # stops listening, resets open connections
        proxy.forward()                     # forwards again
        held = proxy.hold("/complete")      # forwards the request, but keeps the answer from the client
        held.wait(10)                       # waits for that answer: the server has done the request
        proxy.cut()

It reads the first line of what a client sends, which for HTTP without pipelining is the first line of a request.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from dev.ports import LOOPBACK, free_port

#: seconds within which a change of the proxy's behaviour must take effect
CONTROL_S = 10.0
CHUNK = 65_536

#: the answers that the proxy can give instead of the server
ANSWERS = {
    # a transient error; a refusal of the engine would be final
    "500": b"HTTP/1.1 500 Server Error\r\nContent-Type: application/json\r\nContent-Length: 71\r\n\r\n"
    b'{"type":"OptimisticLockingException","message":"told to fail","code":1}',
    "404-page": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 16\r\n\r\n<h1>no such</h1>",
    "400-page": b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<h1>what</h1>",
    "502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 16\r\n\r\n<h1>nobody</h1>\n",
    "garbage": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 16\r\n\r\n<h1>log in</h1>\n",
    "no-http": b"\x00\x01\x02 this is no HTTP\r\n\r\n",
}


class Hold:
    """Answers that are not passed on: those to requests whose first line contains `pattern`."""

    def __init__(self, pattern: str, limit: int) -> None:
        self.pattern = pattern.encode()
        self.limit = limit
        self.taken = 0
        self._held = threading.Semaphore(0)
        self.released = asyncio.Event()

    def wait(self, timeout_s: float, count: int = 1) -> None:
        """Wait until the server has answered `count` such requests.

        Raises:
            AssertionError: it did not within `timeout_s` seconds.
        """
        for _ in range(count):
            assert self._held.acquire(timeout=timeout_s), f"no answer to {self.pattern!r} within {timeout_s} s"

    def note(self) -> None:
        """Count an answer that is held."""
        self._held.release()


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to `host`:`port`."""

    def __init__(self, host: str, port: int) -> None:
        self.port = free_port()
        self.requests: Counter[str] = Counter()
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{port}", daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._holds: list[Hold] = []
        self._delay_s = 0.0
        self._answer: bytes | None = None
        self._resets = False
        self._flowing = asyncio.Event()
        self._watched: Callable[[str], str | None] = lambda line: None

    def __enter__(self) -> Self:
        self._thread.start()
        self.forward()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CONTROL_S)

    def forward(self) -> None:
        """Forward everything without delay."""
        self._run(self._behave)

    def slow(self, delay_s: float) -> None:
        """Delay each piece of an answer by `delay_s` seconds."""
        self._run(self._behave, delay_s=delay_s)

    def answer(self, kind: str) -> None:
        """Answer each request instead of the server, with one of ANSWERS."""
        self._run(self._behave, answer=ANSWERS[kind])

    def reset(self) -> None:
        """Forward each request, and reset its connection before the answer."""
        self._run(self._behave, resets=True)

    def freeze(self) -> None:
        """Accept connections and read everything that is sent, but forward nothing in either direction."""
        self._run(self._behave, flows=False)

    def refuse(self) -> None:
        """Stop listening, and reset open connections."""
        self._run(self._close)

    def cut(self) -> None:
        """Reset every open connection; new ones are accepted."""
        self._run(self._cut)

    def hold(self, pattern: str, limit: int = 1) -> Hold:
        """Keep back the answers to the next `limit` requests."""
        hold = Hold(pattern, limit)
        self._loop.call_soon_threadsafe(self._holds.append, hold)
        return hold

    def release(self, hold: Hold) -> None:
        """Pass on the answers that were kept back."""
        self._loop.call_soon_threadsafe(hold.released.set)

    def watch(self, name_of: Callable[[str], str | None]) -> None:
        """Count requests in `requests`. `name_of` returns the name for a first line, None to count nothing."""
        self._watched = name_of

    def _run(self, work: Callable[..., Any], **options: Any) -> None:
        asyncio.run_coroutine_threadsafe(work(**options), self._loop).result(CONTROL_S)

    async def _behave(
        self, *, delay_s: float = 0.0, answer: bytes | None = None, resets: bool = False, flows: bool = True
    ) -> None:
        self._delay_s, self._answer, self._resets = delay_s, answer, resets
        if flows:
            self._flowing.set()
        else:
            self._flowing.clear()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, backlog=512)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            _reset(writer)
        self._holds.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection(*self._target)
            state = _Connection()
            pumps = [self._ask(reader, upstream, writer, state), self._pass_answers(answers, writer, state)]
            tasks = [asyncio.create_task(pump) for pump in pumps]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        except OSError:
            _reset(writer)
        finally:
            self._writers.discard(writer)
            writer.close()
            if upstream is not None:
                upstream.close()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
        state: _Connection,
    ) -> None:
        while data := await reader.read(CHUNK):
            await self._flowing.wait()
            line = data.partition(b"\r\n")[0]
            if state.speaks_http and not line.endswith(b" HTTP/1.1"):
                # the rest of the body of a request that came in pieces
                upstream.write(data)
                await upstream.drain()
                continue
            state.speaks_http = line.endswith(b" HTTP/1.1")
            if name := self._watched(line.decode("latin-1")):
                self.requests[name] += 1
            if self._answer is not None:
                writer.write(self._answer)
                await writer.drain()
                continue
            state.resets = self._resets
            state.hold = next((hold for hold in self._holds if hold.pattern in line and hold.taken < hold.limit), None)
            if state.hold is not None:
                state.hold.taken += 1
            upstream.write(data)
            await upstream.drain()

    async def _pass_answers(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, state: _Connection
    ) -> None:
        while data := await answers.read(CHUNK):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._flowing.wait()
            if state.resets:
                _reset(writer)
                return
            if (hold := state.hold) is not None:
                state.hold = None
                hold.note()
                await hold.released.wait()
            writer.write(data)
            await writer.drain()


class _Connection:
    """The behaviour for the present request of a connection."""

    hold: Hold | None = None
    resets: bool = False
    speaks_http: bool = False


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        # With a linger time of 0, close sends RST instead of FIN.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
