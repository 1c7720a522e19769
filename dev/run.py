"""`python -m dev.run`: start the stack, onboard a user through the HTTP API, and serve until Ctrl-C.

With `--once` it stops after the onboarding. Exit codes: 0; 1 if the stack or the onboarding failed; 2 if a setting
cannot be used or a port is in use.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev.checking import faults
from dev.children import ChildError
from dev.console import Console
from dev.environment import ROOT
from dev.http_json import post_json
from dev.ports import PortError
from dev.stack import Stack
from settings import SettingsError, load

#: longest wait for the answer to the demo's start, in seconds: longer than the facade waits
ANSWER_S = 60.0
#: how often a part is started again after it ended, within so many seconds
RESTARTS = 3
RESTARTS_WITHIN_S = 60.0

DEMO_USER = {
    "userId": "user-1001",
    "email": "ada@example.org",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "dateOfBirth": "1990-12-10",
    "country": "GB",
}


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--once", action="store_true", help="stop after the onboarding; exit 0 only if it succeeded")
    parser.add_argument("--quiet", action="store_true", help="do not print the logs of the parts")
    parser.add_argument("--folder", type=Path, default=ROOT / ".run", help="folder of data and logs")
    options = parser.parse_args()
    console = Console()
    try:
        # Every process reads the settings when it starts. Checked here first, a bad one is reported only once.
        os.chdir(ROOT)
        settings = load()
        for fault in faults(settings.processes, settings.camunda_script_languages):
            # No reason to stop: an unfinished process must not keep the others from running.
            console.print_line(f"check: {fault}")
        stack = Stack(options.folder, isolated=False, engine_on_disk=True, lenient=True, report=console.report)
    except SettingsError as error:
        return console.failed(f"settings: {error}", 2)
    except ChildError as error:
        return console.failed(str(error), 1)

    def kill(*_: object) -> None:
        console.print_from_signal_handler("killing")
        stack.kill()

    def stop(*_: object) -> None:
        _on_signals(kill)
        console.print_from_signal_handler("stopping; Ctrl-C again kills")
        raise KeyboardInterrupt

    try:
        _on_signals(stop)
        stack.start()
        is_good = onboard(stack, console)
        if options.once:
            return 0 if is_good else 1
        console.print_urls(stack)
        return serve(stack, console, show_logs=not options.quiet)
    except PortError as error:
        return console.failed(str(error), 2)
    except ChildError as error:
        return console.failed(str(error), 1)
    except KeyboardInterrupt:
        return 1 if options.once else 0
    finally:
        _on_signals(kill)
        if any(child.was_started for child in stack.parts.values()):
            stack.stop()
            console.print_line("stopped")
        # A late signal must not end the interpreter with another exit code.
        _on_signals(signal.SIG_IGN)


def onboard(stack: Stack, console: Console) -> bool:
    """Start `onboard-user` and print the answer; True if it is 200 with status ok."""
    body = {
        "processKey": "onboard-user",
        "correlationId": f"demo-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}",
        "variables": DEMO_USER,
    }
    url = f"{stack.url}/api/process/start"
    console.print_line(f"POST {url}\n{json.dumps(body, indent=2)}")
    begun = time.monotonic()
    status, answer = post_json(url, body, ANSWER_S)
    console.print_line(f"{status} after {(time.monotonic() - begun) * 1000:.0f} ms\n{_pretty(answer)}")
    return status == 200 and isinstance(answer, dict) and answer.get("status") == "ok"


def serve(stack: Stack, console: Console, *, show_logs: bool) -> int:
    """Print the logs, and start parts again that ended, until Ctrl-C.

    Raises:
        ChildError: a part ended more than :data:`RESTARTS` times within :data:`RESTARTS_WITHIN_S` seconds.
    """
    ends: dict[str, list[float]] = {}
    console.skip_logs(stack)
    while True:
        if show_logs:
            console.print_logs(stack)
        for name, child in stack.parts.items():
            if not child.was_started or child.is_running:
                continue
            now = time.monotonic()
            ends[name] = [at for at in ends.get(name, []) if now - at < RESTARTS_WITHIN_S] + [now]
            if len(ends[name]) > RESTARTS:
                raise child.failure(f"ended {len(ends[name])} times within {RESTARTS_WITHIN_S:.0f} s")
            console.print_line(f"{name} ended with exit code {child.returncode}; starting it again")
            child.start()
        time.sleep(0.1)


def _on_signals(handler: Callable[..., None] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def _pretty(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
