"""What the partner stub's services answer, for the user, order or loan that a call is about.

    POST /background-checks  {userId, ...}  -> 200 {decision, riskLevel, checkId}
    POST /onboarding         {userId, ...}  -> 201 {customerId, accountId}
    POST /reservations       {orderId, items, ...} -> 200 {reservationId} or {missingItems}
    POST /payments           {orderId, ...} -> 200 {paymentId} or {refused: true}
    POST /shipments          {orderId, ...} -> 201 {trackingNumber}
    POST /releases, /refunds {orderId, ...} -> 201 {releaseId}, {refundId}
    POST /credit-reports     {loanId, ...}  -> 200 {reportId, score}
    POST /reviews, /payouts  {loanId, ...}  -> 201 {reviewId}, {payoutId}

The beginning of the id tells the answer. Users: `reject-`, `risk-`. Orders: `soldout-` has no goods, `broke-` no money,
`lost-` a parcel that gets lost. Loans: the score is 780, `fair-` 640, `poor-` 420.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Answer = dict[str, Any]

#: milliseconds that `slow-` takes
SLOW_MS = 2_000
#: where the state of a parcel is, before its tracking number
SHIPMENTS = "/shipments/"
_TRACKING = "trk-"
_SCORES = {"fair": 640, "poor": 420}


@dataclass(frozen=True, slots=True)
class Service:
    """One endpoint.

    Attributes:
        subject: the field that names what a call is about.
        status: HTTP status of a good answer.
        answer: the good answer, from the body and the nature of the subject.
    """

    subject: str
    status: int
    answer: Callable[[Answer, str], Answer]


def nature_of(subject: str) -> tuple[int, str]:
    """How long a call about `subject` takes, in milliseconds, and the word that tells what happens."""
    slow = re.match(r"slow-(?:(\d{1,6})ms-)?", subject)
    if slow is None:
        return 0, subject.partition("-")[0]
    rest = subject[slow.end() :]
    return int(slow.group(1) or SLOW_MS), rest.partition("-")[0]


def parcel_state(tracking_number: str) -> str:
    """Where a parcel is."""
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


def _gives(name: str, prefix: str, subject: str) -> Callable[[Answer, str], Answer]:
    return lambda body, _: {name: prefix + body[subject]}


SERVICES = {
    "/background-checks": Service("userId", 200, _check),
    "/onboarding": Service("userId", 201, _onboard),
    "/reservations": Service("orderId", 200, _reserve),
    "/payments": Service("orderId", 200, _charge),
    "/shipments": Service("orderId", 201, _gives("trackingNumber", _TRACKING, "orderId")),
    "/releases": Service("orderId", 201, _gives("releaseId", "rel-", "orderId")),
    "/refunds": Service("orderId", 201, _gives("refundId", "ref-", "orderId")),
    "/credit-reports": Service("loanId", 200, _report),
    "/reviews": Service("loanId", 201, _gives("reviewId", "rev-", "loanId")),
    "/payouts": Service("loanId", 201, _gives("payoutId", "out-", "loanId")),
}
