"""The problem types of the API: the name, the HTTP status and the texts of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A problem type (RFC 9457): the last part of its `type` URI, its HTTP status and its title.

    The page `/problems/{name}` shows `cause` (why it happens) and `cure` (what the client does), one to three
    sentences each.
    """

    name: str
    status: int
    title: str
    cause: str = ""
    cure: str = ""


INVALID_JSON = ProblemType(
    "invalid-json",
    400,
    "The body is not valid JSON",
    "The body is not JSON (RFC 8259), contains NaN or Infinity, or is nested more than 500 levels deep.",
    "Read `detail`, correct the body and send it again. The same body fails every time.",
)
INVALID_CURSOR = ProblemType(
    "invalid-cursor",
    400,
    "The cursor is invalid",
    "`cursor` is not the `nextCursor` of an earlier answer of this API, or a part of it is missing.",
    "Send the first request without a cursor, and each next one with the `nextCursor` of the answer, unchanged.",
)
UNKNOWN_PROCESS = ProblemType(
    "unknown-process",
    404,
    "No process has this key",
    "No process with this `processKey` is registered in this service.",
    "Check the spelling against `GET /api/process/definitions`. If the key is right, the release of the service that "
    "has the process is not deployed.",
)
UNKNOWN_CORRELATION_ID = ProblemType(
    "unknown-correlation-id",
    404,
    "No process has this correlation id",
    "No start with this correlation id was accepted, or the data of the process was deleted.",
    "Check the id. If the start was refused, or you never got its answer, send the start again with the same id.",
)
UNKNOWN_TOPIC = ProblemType(
    "unknown-topic",
    404,
    "No topic has this name",
    "No process of this service has a step with this topic, and the topic was never paused or limited.",
    "Check the spelling against `GET /api/process/topics`.",
)
UNKNOWN_TRACEABILITY_ID = ProblemType(
    "unknown-traceability-id",
    404,
    "No process has this traceability id",
    "No process and no event has this traceability id.",
    "Use the `traceabilityId` of the answer to the start. Its event log is empty until the first step begins.",
)
CORRELATION_ID_CONFLICT = ProblemType(
    "correlation-id-conflict",
    409,
    "The correlation id belongs to another start",
    "An earlier start has the same correlation id, but another process, other variables or another `callbackUrl`. Or "
    "the request has an `Idempotency-Key` that differs from its `correlationId`.",
    "For a new process, choose another correlation id. To join the first start, send exactly the same content.",
)
INVALID_IDEMPOTENCY_KEY = ProblemType(
    "invalid-idempotency-key",
    400,
    "The Idempotency-Key cannot be used",
    "The header `Idempotency-Key` cannot be a correlation id: it is empty, too long, a reserved word, or has other "
    "characters. Or the call does not support the header.",
    "Send 1 to 200 of the characters `A-Z a-z 0-9 . _ : ~ -`, with or without quotes around them, such as a UUID. "
    "`detail` has the reason. Nothing was started or sent.",
)
ALREADY_ENDED = ProblemType(
    "already-ended",
    409,
    "The process has already ended with another result",
    "The process has already ended, with another status, result or error than the request needs.",
    "Read its status. An ended process does not change any more.",
)
STILL_RUNS = ProblemType(
    "still-runs",
    409,
    "The process has not ended",
    "The data of a process can be deleted, and a process can be run again, only after the process has ended, in the "
    "engine too. A process with an open incident has not ended.",
    "Wait until the process ends, or cancel it. Then try again: a cancelled process ends in the engine a moment later.",
)
BODY_TOO_LARGE = ProblemType(
    "body-too-large",
    413,
    "The body is too large",
    "The body is larger than the limit of the service, `MAX_BODY_KB`.",
    "Send a smaller body: store large content elsewhere and send a reference to it.",
)
NOT_JSON = ProblemType(
    "unsupported-media-type",
    415,
    "The body must be application/json",
    "The `Content-Type` is missing or is not JSON.",
    "Send `Content-Type: application/json`.",
)
INVALID_FIELDS = ProblemType(
    "invalid-fields",
    422,
    "Some fields are invalid",
    "Fields of the body, the query or the headers are missing, unknown or have wrong values.",
    "Read `errors`: it names each wrong field and what it must be. Correct the fields and send the request again. The "
    "same request fails every time.",
)
INVALID_CALLBACK = ProblemType(
    "invalid-callback",
    422,
    "The callback URL is not allowed",
    "The service sends no webhooks to this `callbackUrl`: webhooks are off, the URL is invalid, or `CALLBACK_HOSTS` "
    "does not list its host.",
    "Read `errors` for the reason. Ask the operators of the service to add the host, or start the process without "
    "`callbackUrl` and poll its status.",
)
PROCESS_FAILED = ProblemType(
    "process-failed",
    422,
    "The process ended with a business error",
    "A business rule of the process was not met, so the process ended with an error.",
    "Read `error` for the code and the details. Correct the input, and start a new process with another correlation "
    "id.",
)
PROCESS_CANCELLED = ProblemType(
    "process-cancelled",
    409,
    "The process was cancelled",
    "The process was cancelled before it ended.",
    "The event log shows who cancelled it. To run the process again, start it with another correlation id.",
)
PROCESS_ERROR = ProblemType(
    "process-error",
    500,
    "The process failed with a technical error",
    "A step failed and has no retries left, so the process has an open incident; or the engine could not start the "
    "process.",
    "Report it to the operators of the service. After they have fixed the cause they can retry the incident, and the "
    "process continues. Poll `statusUrl`.",
)
NOT_STARTED = ProblemType(
    "not-started",
    409,
    "The process has no instance in the engine yet",
    "The start is accepted, and waits in its queue.",
    "Send the request again after `Retry-After` seconds.",
)
NO_INCIDENT = ProblemType(
    "no-incident",
    409,
    "The process has no open incident",
    "Only an open incident can be retried, and the process has none.",
    "Read the status of the process. There is nothing to retry.",
)
MESSAGE_NOT_CORRELATED = ProblemType(
    "message-not-correlated",
    409,
    "The process does not wait for this message",
    "The process has not reached the step that waits for this message, waits for it at more than one place, or has no "
    "message of this name.",
    "`active` has what the process waits for. Check the name of the message, and send it again when the process waits "
    "for it.",
)
ENGINE_REFUSED = ProblemType(
    "engine-refused",
    409,
    "The engine refused the operation",
    "The process engine cannot carry out the operation in the current state of the process, or its technical user "
    "lacks a permission. `detail` has the engine's message, and what was changed.",
    "Fix the cause in `detail`: often an expression of the diagram needs a variable that is missing. If it names a "
    "permission, grant it. Until then the engine refuses the same call again.",
)
ENGINE_AWAY = ProblemType(
    "engine-away",
    503,
    "The engine is unavailable",
    "The process engine did not answer, or refused the login of the service. `detail` has what was done, or may have "
    "been done.",
    "Send the request again after `Retry-After` seconds. A repeated retry continues with the incidents that are "
    "left. If `detail` says that the process may have a message, read the status before you send the message again.",
)
DATABASE_AWAY = ProblemType(
    "database-away",
    503,
    "The database is unavailable",
    "The database did not answer in time. `detail` tells you whether the request may have been carried out.",
    "Send the request again after `Retry-After` seconds, with the same correlation id. For a start, use the "
    "`correlationId` of this answer: if the first start was accepted, the second joins it and the process runs once.",
)
TOO_MANY_STARTS = ProblemType(
    "too-many-pending-starts",
    503,
    "Too many starts are waiting",
    "More accepted starts wait for the engine than the service allows. This start was not accepted.",
    "Send the start again after `Retry-After` seconds, with the same correlation id. Send fewer starts at once.",
)
MAINTENANCE = ProblemType(
    "maintenance",
    503,
    "The service is in maintenance",
    "The operators have put the service in maintenance, and it refuses new starts. `detail` has their reason. This "
    "start was not accepted.",
    "Send the start again after `Retry-After` seconds, with the same correlation id. Processes that were accepted "
    "before go on after the maintenance; their status can be read.",
)
TOO_MANY_STREAMS = ProblemType(
    "too-many-streams",
    503,
    "Too many event streams are open",
    "The server has as many open event streams as `MAX_STREAMS` allows, or it is stopping.",
    "Open the stream again after `Retry-After` seconds, or poll the status.",
)

BAD_REQUEST = ProblemType(
    "bad-request",
    400,
    "The request is not valid HTTP",
    "The server cannot parse the request.",
    "Correct the request. The same request fails every time.",
)
UNAUTHORIZED = ProblemType(
    "unauthorized",
    401,
    "The API key or token is missing or invalid",
    "The request has no API key and no token, or the one it has is unknown, expired or made for another service.",
    "Send a valid API key or token as `Authorization: Bearer ...`, or an API key as `X-API-Key`. Renew an expired "
    "token.",
)
FORBIDDEN = ProblemType(
    "forbidden",
    403,
    "The caller lacks the required scope",
    "The API key or token is valid, but does not have the scope that `requiredScope` names.",
    "Ask the operators of the service for that scope.",
)
NOT_FOUND = ProblemType(
    "not-found",
    404,
    "Not Found",
    "No resource has this path.",
    "Check the path against `/docs`.",
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed",
    405,
    "Method Not Allowed",
    "The resource does not support this HTTP method.",
    "Use one of the methods in the `Allow` header.",
)
REQUEST_TIMEOUT = ProblemType(
    "request-timeout",
    408,
    "The request took too long to arrive",
    "The body did not arrive within `CLIENT_TIMEOUT_S`.",
    "Send the request again, over a faster connection. Nothing was accepted.",
)
TOO_MANY_REQUESTS = ProblemType(
    "too-many-requests",
    429,
    "The caller sent too many requests",
    "The API key, token or IP address has sent more requests than `RATE_LIMIT` allows.",
    "Wait for `Retry-After` seconds. The `RateLimit` header has the number of requests that are left (`r`) and "
    "the seconds until they are renewed (`t`).",
)
INTERNAL_ERROR = ProblemType(
    "internal-error",
    500,
    "The server has an internal error",
    "A fault of the service. The server has logged it.",
    "Try again. If it happens again, report it with the `X-Request-Id` of the answer.",
)
TOKEN_KEYS_AWAY = ProblemType(
    "token-keys-away",
    503,
    "Tokens cannot be checked now",
    "The service needs the public keys of the token's issuer, and the issuer's server has not answered since the "
    "service was started.",
    "Send the request again after `Retry-After` seconds. Requests with an API key still work.",
)


def problem_types() -> dict[str, ProblemType]:
    """Every problem type by its name, sorted by status and name."""
    found = [value for value in globals().values() if isinstance(value, ProblemType)]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.status, kind.name))}
