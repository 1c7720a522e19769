"""What the modules of the REST API share."""

from __future__ import annotations

from camunda_bridge.session import EngineSession

#: most entries that one request to a list asks for
PAGE = 500


class EngineApi:
    """A part of the engine's REST API.

    Every method raises :class:`EngineUnavailable` when the engine does not answer, and :class:`Unauthorized` when it
    refuses the login.
    """

    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self._url = session.base_url
