"""Renders the metrics for Prometheus: counts of the processes, and gauges that are read at each scrape."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from settings import SettingsError
from telemetry.metrics.declared import REGISTRY
from telemetry.metrics.sharing import Shared, share

log = logging.getLogger(__name__)

_shared: Shared | None = None


def share_once(component: str, folder: str) -> None:
    """Share counts with the child processes (see :func:`telemetry.metrics.sharing.share`); only the first call does.

    `folder`: the folder for the files; empty for the folder for temporary files of the system.

    Raises:
        SettingsError: the folder can't be created.
    """
    global _shared
    if _shared is None:
        try:
            _shared = share(component, Path(folder) if folder else None)
        except OSError as error:
            raise SettingsError(f"METRICS_DIR={folder}: {error}") from error


def render(accept: str, also: Iterable[Collector] = ()) -> tuple[bytes, str]:
    """The metrics of this family of processes and those of `also`, as text, and the media type of the text.

    `accept`: the `Accept` header of the request, which may ask for OpenMetrics.
    """
    encode, media_type = choose_encoder(accept)
    if _shared is None:
        return encode(_joined(REGISTRY, also)), media_type
    with _shared.settled():
        return encode(_joined(_shared.registry(), also)), media_type


def may_read(authorization: str | None, token: str) -> bool:
    """True when a request with this ``Authorization`` header may read metrics; always without a `token`."""
    scheme, _, given = (authorization or "").partition(" ")
    return not token or (scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()))


def _joined(registry: CollectorRegistry, also: Iterable[Collector]) -> CollectorRegistry:
    joined = CollectorRegistry(auto_describe=False)
    joined.register(_Joined([registry, *also]))
    return joined


class _Joined(Collector):
    """Several collectors as one."""

    def __init__(self, sources: list[Collector]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        """The metrics of all of them."""
        for source in self._sources:
            yield from source.collect()
