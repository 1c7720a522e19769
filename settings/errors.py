"""The exception of the settings."""

from __future__ import annotations

from errors import CeleryCamundaError


class SettingsError(CeleryCamundaError):
    """One or more environment variables have an invalid value.

    :func:`settings.get_settings` raises it; a process prints it and doesn't start.
    """
