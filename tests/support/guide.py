"""The code of the guide to webhooks, as the guide shows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dev.environment import ROOT


def verifier() -> Callable[..., dict[str, Any]]:
    """The function `verify(secrets, headers, body)` of docs/guides/webhooks.md."""
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/guides/webhooks.md").read_text(), re.S | re.M)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., dict[str, Any]] = names["verify"]
    return found
