"""The steps of `bench-wait`: each calls a server that answers after 200 ms (`bench/slow_server.py`)."""

from __future__ import annotations

from functools import cache
from typing import Any

from camunda_bridge import PartnerClient, StepContext, define_process
from settings import get_settings

process = define_process("bench-wait", process_name="Five steps that wait on HTTP")


@cache
def slow_server() -> PartnerClient:
    """A client of the slow server, with one pool a worker process. PARTNER_BASE_URL has the address."""
    settings = get_settings()
    return PartnerClient(settings.partner_base_url, timeout_ms=settings.partner_timeout_ms)


def ask(variables: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Wait for the slow server's answer."""
    slow_server().post("/wait", {}, idempotency_key=context.idempotency_key)
    return {}


for number in range(1, 5):
    process.step(f"s{number}", order=number)(ask)


@process.step("s5", order=5, outcome="ok")
def ask_last(variables: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Wait for the slow server's answer, and return the result that the client waits for."""
    return {"done": True, **ask(variables, context)}
