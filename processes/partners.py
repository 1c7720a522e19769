"""The client of the partner services that the example processes call."""

from __future__ import annotations

from functools import cache

from camunda_bridge import PartnerClient
from settings import get_settings


@cache
def partner() -> PartnerClient:
    """The client of the services at `PARTNER_BASE_URL`; one in each worker process."""
    settings = get_settings()
    return PartnerClient(settings.partner_base_url, timeout_ms=settings.partner_timeout_ms)
