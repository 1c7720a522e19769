"""The partner services that the examples call, over one pool a worker process."""

from __future__ import annotations

from functools import cache

from camunda_bridge import PartnerClient
from settings import get_settings


@cache
def partner() -> PartnerClient:
    """Where `PARTNER_BASE_URL` says."""
    settings = get_settings()
    return PartnerClient(settings.partner_base_url, timeout_ms=settings.partner_timeout_ms)
