"""The commands that call the API."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Commands:
    """The commands that call the API."""

    process_api_url: str = setting(
        "str",
        "",
        "Root of the server that `flask process start` and its like call; empty for WEB_HOST and WEB_PORT.",
        schemes=("http", "https"),
        optional=True,
    )
    process_api_key: str = setting("str", "", "API key or token that they send; empty for none.", secret=True)
