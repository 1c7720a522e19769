"""Settings of the commands that call the API."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Commands:
    """Commands that call the API."""

    process_api_url: str = setting(
        "str",
        "",
        "Root URL of the server that commands such as `flask process start` call. Empty: the server at `WEB_HOST` and "
        "`WEB_PORT`.",
        schemes=("http", "https"),
        optional=True,
    )
    process_api_key: str = setting("str", "", "API key or token that these commands send. Empty: none.", secret=True)
