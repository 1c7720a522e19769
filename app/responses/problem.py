"""The exception for an error answer in the format of RFC 9457, problem details."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from app.responses.answers import answer
from app.responses.problem_types import ProblemType
from errors import CeleryCamundaError

MEDIA_TYPE = "application/problem+json"


class Problem(CeleryCamundaError):
    """An error answer. Views and the functions below them raise it.

    Args:
        kind: the problem type.
        detail: what is wrong with this request, and what to do.
        errors: messages by field.
        headers: further headers of the answer.
        members: further members of the body; a None is left out.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        errors: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members

    def response(self) -> Response:
        """The answer."""
        # app/metrics.py counts it.
        g.problem = self.kind.name or str(self.kind.status)
        body: dict[str, Any] = {
            "type": f"/problems/{self.kind.name}" if self.kind.name else "about:blank",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": request.path,
        }
        if self.errors is not None:
            body["errors"] = self.errors
        body |= {name: value for name, value in self.members.items() if value is not None}
        response = answer(body, self.kind.status, self.headers)
        response.mimetype = MEDIA_TYPE
        return response
