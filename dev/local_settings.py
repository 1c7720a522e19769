"""The environment variables of the local stack: the ports and options of its local parts.

They are read like the product's own in `settings/`; production has none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from dev.local_engine import EngineKind
from settings import SettingsError


def _number(default: int, doc: str, least: int, most: int) -> int:
    value: int = field(default=default, metadata={"doc": doc, "least": least, "most": most})
    return value


def _engine(default: EngineKind, doc: str) -> EngineKind:
    value: EngineKind = field(default=default, metadata={"doc": doc, "choices": get_args(EngineKind)})
    return value


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The settings of the local stack; each attribute is the environment variable of the same name in capitals."""

    engine: EngineKind = _engine("camunda", "Which engine the local one is: `camunda` or `operaton`.")
    local_redis_port: int = _number(6379, "Port of the local broker, started unless `REDIS_URL` is set.", 1, 65_535)
    local_engine_port: int = _number(
        8080, "Port of the local engine, started unless `CAMUNDA_BASE_URL` is set.", 1, 65_535
    )
    local_partner_port: int = _number(
        8090, "Port of the partner stub, started unless `PARTNER_BASE_URL` is set.", 1, 65_535
    )
    local_engine_heap_mb: int = _number(512, "Largest Java heap of the local engine, in MiB.", 128, 65_536)

    @classmethod
    def load(cls, env: Mapping[str, str]) -> LocalSettings:
        """Read the settings from `env`.

        Raises:
            SettingsError: a variable cannot be used; the message names each of them.
        """
        values: dict[str, Any] = {}
        wrong: list[str] = []
        for item in fields(cls):
            name = item.name.upper()
            text = env.get(name, str(item.default)).strip()
            if choices := item.metadata.get("choices"):
                if text in choices:
                    values[item.name] = text
                else:
                    wrong.append(f"{name}: must be {' or '.join(choices)}, not {text!r}")
                continue
            least, most = item.metadata["least"], item.metadata["most"]
            if text.isascii() and text.isdigit() and least <= int(text) <= most:
                values[item.name] = int(text)
            else:
                wrong.append(f"{name}: must be a whole number from {least} to {most}, not {text!r}")
        if wrong:
            raise SettingsError("; ".join(wrong))
        return cls(**values)
