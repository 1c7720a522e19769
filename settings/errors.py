"""What the settings raise."""

from __future__ import annotations

from errors import CeleryCamundaError


class SettingsError(CeleryCamundaError):
    """One or more environment variables hold a value that cannot be used.

    :func:`settings.get_settings` raises it; every process stops at its start and prints it.
    """
