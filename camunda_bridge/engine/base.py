"""The base class of the parts of the REST API."""

from __future__ import annotations

from camunda_bridge.session import EngineSession

#: most entries of a list in one request
PAGE = 500


class EngineApi:
    """Base of a part of the engine's REST API.

    Every method raises :class:`EngineUnavailable` when the engine doesn't answer, and :class:`Unauthorized` when it
    refuses the login.
    """

    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self._url = session.base_url
