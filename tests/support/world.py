"""A stack with proxies in front of its engine and its Redis, so that a test can break the connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis
import requests

from dev.broker import Broker
from dev.ports import free_port
from dev.stack import Stack
from tests.support.api import Api, eventually
from tests.support.proxy import Proxy


@dataclass
class World:
    """The stack, its API, and the proxies; `engine_url` and `broker` do not use the proxies."""

    stack: Stack
    api: Api
    engine: Proxy
    redis: Proxy
    engine_url: str
    broker: Broker

    def client(self) -> redis.Redis:
        """A Redis client without the proxy, so without its faults."""
        return redis.Redis.from_url(self.broker.url, decode_responses=True)

    def forget_instances(self) -> None:
        """Delete all instances that still run in the engine, so that later tests have none of them."""
        running = requests.get(f"{self.engine_url}/process-instance", timeout=20).json()
        for instance in running:
            requests.delete(f"{self.engine_url}/process-instance/{instance['id']}", timeout=20)

    def restart(self, *names: str) -> None:
        """Start killed parts again, and wait until they serve."""
        self.stack.start_parts(names)

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait until `/health/ready` reports that every part works."""
        eventually(lambda: self.api.get("/health/ready").body["status"] == "ready", timeout_s, "a stack that is ready")

    def has_open_instance(self, correlation_id: str) -> bool:
        """True while the engine runs an instance with this business key."""
        found = requests.get(
            f"{self.engine_url}/process-instance", params={"businessKey": correlation_id}, timeout=20
        ).json()
        return bool(found)


@contextmanager
def broken_world(
    folder: Path,
    engine_url: str,
    settings: Mapping[str, object],
    parts: Iterable[str] = ("web", "worker", "control", "beat"),
) -> Iterator[World]:
    """A running stack behind proxies that forward."""
    address = urlsplit(engine_url)
    broker = Broker(free_port(), folder / "broker")
    with ExitStack() as stack_of:
        stack_of.callback(broker.stop)
        broker.start()
        broker.wait_ready()
        engine = stack_of.enter_context(Proxy(address.hostname or "", address.port or 80))
        redis_proxy = stack_of.enter_context(Proxy("127.0.0.1", broker.port))
        given = {
            **settings,
            "CAMUNDA_BASE_URL": f"http://127.0.0.1:{engine.port}{address.path}",
            "REDIS_URL": f"redis://127.0.0.1:{redis_proxy.port}/0",
        }
        stack = stack_of.enter_context(Stack(folder, settings=given, parts=parts))
        world = World(stack, Api(stack.url), engine, redis_proxy, engine_url, broker)
        stack_of.callback(world.forget_instances)
        yield world


def children_of(pid: int) -> list[int]:
    """Process ids of the children of `pid`."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def threads_of(pid: int) -> int:
    """The number of threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
