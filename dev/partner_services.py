"""The answers of the partner stub's services for the user, order or loan of a call.

    POST /background-checks  {userId, ...}  -> 200 {decision, riskLevel, checkId}
    POST /onboarding         {userId, ...}  -> 201 {customerId, accountId}
    POST /reservations       {orderId, items, ...} -> 200 {reservationId} or {missingItems}
    POST /payments           {orderId, ...} -> 200 {paymentId} or {refused: true}
    POST /shipments          {orderId, ...} -> 201 {trackingNumber}
    POST /releases, /refunds {orderId, ...} -> 201 {releaseId}, {refundId}
    POST /credit-reports     {loanId, ...}  -> 200 {reportId, score}
    POST /reviews, /payouts  {loanId, ...}  -> 201 {reviewId}, {payoutId}

The beginning of the id decides the answer. Users: `reject-`, `risk-`. Orders: with `soldout-` the goods are missing,
with `broke-` the payment is refused, with `lost-` the parcel gets lost. Loans: the score is 780, with `fair-` 640,
with `poor-` 420.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Answer = dict[str, Any]

#: milliseconds that a call with `slow-` takes
SLOW_MS = 2_000
#: the path of a parcel's state, before its tracking number
SHIPMENTS = "/shipments/"
_TRACKING = "trk-"
_SCORES = {"fair": 640, "poor": 420}


@dataclass(frozen=True, slots=True)
class Service:
    """One endpoint.

    Attributes:
        subject: the field with the id of the user, order or loan.
        status: HTTP status of a success.
        answer: makes the document of a success from the body and the behaviour that the id asks for.
    """

    subject: str
    status: int
    answer: Callable[[Answer, str], Answer]


def nature_of(subject: str) -> tuple[int, str]:
    """The time that a call about `subject` takes, in milliseconds, and the word in its id that decides the answer."""
    slow = re.match(r"slow-(?:(\d{1,6})ms-)?", subject)
    if slow is None:
        return 0, subject.partition("-")[0]
    rest = subject[slow.end() :]
    return int(slow.group(1) or SLOW_MS), rest.partition("-")[0]


def parcel_state(tracking_number: str) -> str:
    """The state of a parcel."""
    _, nature = nature_of(tracking_number.removeprefix(_TRACKING))
    return "lost" if nature == "lost" else "in-transit"


def _check(body: Answer, nature: str) -> Answer:
    return {
        "decision": "rejected" if nature == "reject" else "approved",
        "riskLevel": "high" if nature == "risk" else "low",
        "checkId": f"chk-{body['userId']}",
    }


def _onboard(body: Answer, _: str) -> Answer:
    return {"customerId": f"cus-{body['userId']}", "accountId": f"acc-{body['userId']}"}


def _reserve(body: Answer, nature: str) -> Answer:
    if nature == "soldout":
        return {"missingItems": [item["sku"] for item in body.get("items", ())]}
    return {"reservationId": f"res-{body['orderId']}"}


def _charge(body: Answer, nature: str) -> Answer:
    return {"refused": True} if nature == "broke" else {"paymentId": f"pay-{body['orderId']}"}


def _report(body: Answer, nature: str) -> Answer:
    return {"reportId": f"rep-{body['loanId']}", "score": _SCORES.get(nature, 780)}


def _new_id(name: str, prefix: str, subject: str) -> Callable[[Answer, str], Answer]:
    return lambda body, _: {name: prefix + body[subject]}


SERVICES = {
    "/background-checks": Service("userId", 200, _check),
    "/onboarding": Service("userId", 201, _onboard),
    "/reservations": Service("orderId", 200, _reserve),
    "/payments": Service("orderId", 200, _charge),
    "/shipments": Service("orderId", 201, _new_id("trackingNumber", _TRACKING, "orderId")),
    "/releases": Service("orderId", 201, _new_id("releaseId", "rel-", "orderId")),
    "/refunds": Service("orderId", 201, _new_id("refundId", "ref-", "orderId")),
    "/credit-reports": Service("loanId", 200, _report),
    "/reviews": Service("loanId", 201, _new_id("reviewId", "rev-", "loanId")),
    "/payouts": Service("loanId", 201, _new_id("payoutId", "out-", "loanId")),
}
