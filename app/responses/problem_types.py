"""Every kind of error that the API answers: its name, its status, and what its page says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of error: the last part of its `type` URI, its HTTP status and its title.

    `cause` and `cure` are what its page, `/problems/{name}`, says: one or two sentences each.
    """

    name: str
    status: int
    title: str
    cause: str = ""
    cure: str = ""


INVALID_JSON = ProblemType(
    "invalid-json",
    400,
    "The body is no JSON document",
    "The body is not JSON as RFC 8259 has it, holds NaN or Infinity, or is nested more than 500 levels deep.",
    "Read `detail`, mend the document and send it again. The same body fails every time.",
)
INVALID_CURSOR = ProblemType(
    "invalid-cursor",
    400,
    "The cursor is not one that this API gave",
    "`cursor` is not a `nextCursor` that this API gave, or was cut short on the way.",
    "Begin without a cursor and pass on each `nextCursor` unchanged.",
)
UNKNOWN_PROCESS = ProblemType(
    "unknown-process",
    404,
    "No such process is known here",
    "No process with this `processKey` is registered in this deployment.",
    "Check the spelling, and whether the service that holds the process is deployed.",
)
UNKNOWN_CORRELATION_ID = ProblemType(
    "unknown-correlation-id",
    404,
    "No process has this correlation id",
    "No start with this correlation id was ever accepted.",
    "Check the id. If a start was refused, or its answer never came, start it again with the same id.",
)
UNKNOWN_TOPIC = ProblemType(
    "unknown-topic",
    404,
    "No such topic is known here",
    "No process of this deployment has a step for this topic, and nobody ever paused or limited it.",
    "Check the spelling against `GET /api/process/topics`.",
)
UNKNOWN_TRACEABILITY_ID = ProblemType(
    "unknown-traceability-id",
    404,
    "Nothing has this traceability id",
    "No process and no event carries this traceability id.",
    "Take the id from the answer of the start; its event log is empty until the first step begins.",
)
CORRELATION_ID_CONFLICT = ProblemType(
    "correlation-id-conflict",
    409,
    "The correlation id belongs to another start",
    "The correlation id came before with another process, other variables or another callback.",
    "Choose a new correlation id, or send exactly what the first start sent to join it.",
)
ALREADY_ENDED = ProblemType(
    "already-ended",
    409,
    "The process has ended otherwise",
    "The process has ended, and not in the way that was asked for.",
    "Read its status; an ended process does not change any more.",
)
STILL_RUNS = ProblemType(
    "still-runs",
    409,
    "The process has not ended",
    "Data of a process can be deleted once it has ended, in the engine too; one that stands on an incident has not.",
    "Wait for its end or cancel it, then try again; a cancelled one a moment later.",
)
BODY_TOO_LARGE = ProblemType(
    "body-too-large",
    413,
    "The body is larger than this service takes",
    "The body is larger than `MAX_BODY_KB` allows.",
    "Send less: pass large content by reference.",
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
    "Some fields are not as they must be",
    "Fields of the body, the query or the headers are missing, unknown or have wrong values.",
    "`errors` names each field and what it must be. The same request fails every time.",
)
INVALID_CALLBACK = ProblemType(
    "invalid-callback",
    422,
    "Webhooks do not go to this callback URL",
    "`callbackUrl` is no URL that a webhook may go to: webhooks are off, or `CALLBACK_HOSTS` does not list its host.",
    "`errors` says which. Ask whoever runs the service to list the host, or start without `callbackUrl` and poll.",
)
PROCESS_FAILED = ProblemType(
    "process-failed",
    422,
    "The process ended in a business error",
    "A business rule of the process was not met, and the process ended in an error.",
    "`error` has the code and the details. Mend the input and start anew with another correlation id.",
)
PROCESS_CANCELLED = ProblemType(
    "process-cancelled",
    409,
    "The process was cancelled",
    "The process was cancelled before it ended.",
    "Ask who cancelled it (the event log says so), or start anew with another correlation id.",
)
PROCESS_ERROR = ProblemType(
    "process-error",
    500,
    "The process stands still on a technical error",
    "A step has used up its retries, or the process could not be started: it stands on an incident.",
    "Tell whoever runs the service. After the cause is mended, retry the process; poll `statusUrl`.",
)
NO_INCIDENT = ProblemType(
    "no-incident",
    409,
    "The process does not stand on an incident",
    "A retry was asked for, but the process does not stand on an incident.",
    "Read its status; there is nothing to retry.",
)
MESSAGE_NOT_CORRELATED = ProblemType(
    "message-not-correlated",
    409,
    "Nothing in the process waits for this message",
    "The process has not come to where it waits for this message, or does not know it.",
    "Check the name of the message and where the process stands; send it again when it waits for it.",
)
ENGINE_REFUSED = ProblemType(
    "engine-refused",
    409,
    "The engine refused it",
    "The process engine answered that it cannot do this with the process as it is; `detail` has its words. Nothing was "
    "changed.",
    "Mend what the engine names: often an expression of the diagram that needs a variable. The same call is refused "
    "again until then.",
)
ENGINE_AWAY = ProblemType(
    "engine-away",
    503,
    "The engine cannot be reached",
    "The process engine did not answer or refused the service. `detail` says what is known of what was asked for.",
    "Try again after `Retry-After`: a retry goes on where it stopped. Look at the status before you send a message "
    "again that the process may have.",
)
DATABASE_AWAY = ProblemType(
    "database-away",
    503,
    "The store cannot be reached",
    "The store did not answer in time. `detail` says whether anything may have been done.",
    "Try again after `Retry-After`, with the same correlation id: of a start, the one in `correlationId`. What was "
    "accepted is joined and not done twice.",
)
TOO_MANY_STARTS = ProblemType(
    "too-many-pending-starts",
    503,
    "Too many starts are waiting; nothing was accepted",
    "More starts wait than the service takes. Nothing was accepted.",
    "Try again after `Retry-After`, with the same correlation id, and start fewer at once.",
)
TOO_MANY_STREAMS = ProblemType(
    "too-many-streams",
    503,
    "Too many event streams are open",
    "More processes are being followed than `MAX_STREAMS` allows, or the server is about to stop.",
    "Try again after `Retry-After`, or poll the status.",
)

BAD_REQUEST = ProblemType(
    "bad-request",
    400,
    "The request cannot be understood",
    "The request is not HTTP as it should be.",
    "Mend the request; the same one fails every time.",
)
UNAUTHORIZED = ProblemType(
    "unauthorized",
    401,
    "The caller is not known",
    "No API key or token was sent, or it is unknown, expired, or not meant for this service.",
    "Send `Authorization: Bearer` with a valid key or token, or `X-API-Key`. Renew a token that has expired.",
)
FORBIDDEN = ProblemType(
    "forbidden",
    403,
    "The caller may not do this",
    "The key or token is valid and lacks the scope that `requiredScope` names.",
    "Ask whoever runs the service for that scope.",
)
NOT_FOUND = ProblemType(
    "not-found",
    404,
    "Not Found",
    "No resource has this address.",
    "Check the path against `/docs`.",
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed",
    405,
    "Method Not Allowed",
    "The resource does not know this method.",
    "The `Allow` header lists the methods that it knows.",
)
REQUEST_TIMEOUT = ProblemType(
    "request-timeout",
    408,
    "The request took too long to arrive",
    "The body did not arrive within `CLIENT_TIMEOUT_S`.",
    "Send it again over a better connection; nothing was accepted.",
)
TOO_MANY_REQUESTS = ProblemType(
    "too-many-requests",
    429,
    "The caller makes too many requests",
    "The key, or the address, has made more requests than `RATE_LIMIT` allows.",
    "Wait for `Retry-After` seconds; `RateLimit` says how many requests are left (`r`), and for how long (`t`).",
)
INTERNAL_ERROR = ProblemType(
    "internal-error",
    500,
    "Something went wrong here",
    "A fault of the service, which was logged.",
    "Try again; if it stays, report it with the `X-Request-Id` of the answer.",
)
TOKEN_KEYS_AWAY = ProblemType(
    "token-keys-away",
    503,
    "Tokens cannot be checked at the moment",
    "The server that has the issuer's public keys did not answer since this service was started.",
    "Try again after `Retry-After`. API keys work meanwhile.",
)


def problem_types() -> dict[str, ProblemType]:
    """Every kind of error by its name, in the order of the status."""
    found = [value for value in globals().values() if isinstance(value, ProblemType)]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.status, kind.name))}
