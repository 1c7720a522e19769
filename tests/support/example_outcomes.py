"""The outcomes of the three examples, case by case; they must be the same on every engine.

`{id}` in a text stands for the id of the user, order or loan of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: one event of the log: step, phase, HTTP status of its partner call
Event = tuple[str, str, int | None]
#: events of steps that run at the same time; they may come in any order
Events = Sequence[Event | frozenset[Event]]


@dataclass(frozen=True)
class Case:
    """One path through one example.

    Attributes:
        id_field: the variable with the id of the user, order or loan. The id begins with `nature`, which decides the
            answers of the partner stub.
        acts: what happens while the process waits: a message with its variables, or a timer that fires.
        document: the result, or the error if `status` is error.
        events: the event log, without the acts of ops.
        effects: endpoints of the partner that had an effect, sorted.
    """

    name: str
    process: str
    id_field: str
    nature: str
    status: Literal["ok", "error"]
    document: dict[str, Any]
    events: Events
    effects: list[str]
    variables: dict[str, Any] = field(default_factory=dict)
    acts: tuple[tuple[Literal["message", "timer"], str, dict[str, Any]], ...] = ()


def done(step: str, http: int | None = None) -> Event:
    """The event of a completed step."""
    return step, "completed", http


def refused(step: str, http: int | None = None) -> Event:
    """The event of a step that ended in a business error."""
    return step, "bpmn-error", http


def _error(code: str, message: str, id_field: str, details: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "type": "BusinessRuleError",
        "details": details,
        id_field: "{id}",
        **more,
    }


USER = {
    "email": "ada@example.org",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "dateOfBirth": "1990-12-10",
    "country": "GB",
}
ORDER = {
    "customerId": "cus-1",
    "items": [{"sku": "teapot", "quantity": 1}, {"sku": "cup", "quantity": 4}],
    "amountCents": 5_900,
    "currency": "GBP",
    "address": "12 St James's Square, London",
}
LOAN = {
    "customerId": "cus-1",
    "amount": 12_000,
    "termMonths": 48,
    "monthlyIncome": 3_200,
    "iban": "GB33BUKB20201555555555",
}

ONBOARDED = Case(
    name="user is onboarded",
    process="onboard-user",
    id_field="userId",
    nature="user",
    variables=USER,
    status="ok",
    document={
        "userId": "{id}",
        "customerId": "cus-{id}",
        "accountId": "acc-{id}",
        "riskLevel": "low",
        "message": "user {id} is onboarded",
    },
    events=[
        done("validate-user-information"),
        done("run-background-check", 200),
        done("call-onboarding-api", 201),
        done("prepare-response"),
    ],
    effects=["/background-checks", "/onboarding"],
)
REJECTED = Case(
    name="user is rejected",
    process="onboard-user",
    id_field="userId",
    nature="reject",
    variables=USER,
    status="error",
    document=_error(
        "BACKGROUND_CHECK_REJECTED", "the background check was not passed", "userId", {"checkId": "chk-{id}"}
    ),
    events=[
        done("validate-user-information"),
        refused("run-background-check", 200),
        done("handle-error"),
    ],
    effects=["/background-checks"],
)

_BOTH = frozenset({done("reserve-goods", 200), done("charge-payment", 200)})
_SHIPPED: list[Event | frozenset[Event]] = [_BOTH, done("confirm-order"), done("ship-order", 201)]
_DELIVERED = {
    "orderId": "{id}",
    "reservationId": "res-{id}",
    "paymentId": "pay-{id}",
    "trackingNumber": "trk-{id}",
    "deliveredAt": "2026-03-01T10:00:00Z",
    "signedBy": "Ada",
    "message": "order {id} is delivered",
}
_CARRIER_SAYS = ("message", "parcel-delivered", {"deliveredAt": "2026-03-01T10:00:00Z", "signedBy": "Ada"})

FULFILLED = Case(
    name="order is fulfilled",
    process="order-fulfilment",
    id_field="orderId",
    nature="order",
    variables=ORDER,
    acts=(_CARRIER_SAYS,),
    status="ok",
    document=_DELIVERED,
    events=[*_SHIPPED, done("prepare-response")],
    effects=["/payments", "/reservations", "/shipments"],
)
LATE = Case(
    name="order comes late",
    process="order-fulfilment",
    id_field="orderId",
    nature="order",
    variables=ORDER,
    acts=(("timer", "delivery-overdue", {}), _CARRIER_SAYS),
    status="ok",
    document=_DELIVERED,
    events=[*_SHIPPED, done("trace-parcel", 200), done("prepare-response")],
    effects=["/payments", "/reservations", "/shipments"],
)
LOST = Case(
    name="parcel is lost",
    process="order-fulfilment",
    id_field="orderId",
    nature="lost",
    variables=ORDER,
    acts=(("timer", "delivery-overdue", {}),),
    status="error",
    document=_error(
        "PARCEL_LOST",
        "the carrier has lost the parcel",
        "orderId",
        {"trackingNumber": "trk-{id}"},
        releaseId="rel-{id}",
        refundId="ref-{id}",
    ),
    events=[
        *_SHIPPED,
        refused("trace-parcel", 200),
        frozenset({done("release-goods", 201), done("refund-payment", 201)}),
        done("handle-error"),
    ],
    effects=["/payments", "/refunds", "/releases", "/reservations", "/shipments"],
)
SOLD_OUT = Case(
    name="order is sold out",
    process="order-fulfilment",
    id_field="orderId",
    nature="soldout",
    variables=ORDER,
    status="error",
    document=_error(
        "OUT_OF_STOCK",
        "some items are sold out",
        "orderId",
        {"missingItems": ["teapot", "cup"]},
        releaseId=None,
        refundId="ref-{id}",
    ),
    events=[
        _BOTH,
        refused("confirm-order"),
        frozenset({done("release-goods"), done("refund-payment", 201)}),
        done("handle-error"),
    ],
    effects=["/payments", "/refunds", "/reservations"],
)

_PAID: list[Event] = [done("pay-out", 201), done("prepare-response")]
_ASKED: list[Event] = [done("check-credit", 200), done("assess-risk"), done("request-review", 201)]


def _loan(decided_by: str) -> dict[str, Any]:
    return {
        "loanId": "{id}",
        "amount": 12_000,
        "instalment": 281.82,
        "decidedBy": decided_by,
        "payoutId": "out-{id}",
        "message": "loan {id} is paid out",
    }


APPROVED_BY_RULE = Case(
    name="loan is approved by rule",
    process="loan-approval",
    id_field="loanId",
    nature="loan",
    variables=LOAN,
    status="ok",
    document=_loan("rule:small-and-safe"),
    events=[done("check-credit", 200), done("assess-risk"), *_PAID],
    effects=["/credit-reports", "/payouts"],
)
DECLINED_BY_RULE = Case(
    name="loan is declined by rule",
    process="loan-approval",
    id_field="loanId",
    nature="poor",
    variables=LOAN,
    status="error",
    document=_error("LOAN_DECLINED", "the credit score is too low", "loanId", {"decidedBy": "rule:low-score"}),
    events=[done("check-credit", 200), refused("assess-risk"), done("handle-error")],
    effects=["/credit-reports"],
)
APPROVED_BY_OFFICER = Case(
    name="loan is approved by an officer at the second try",
    process="loan-approval",
    id_field="loanId",
    nature="fair",
    variables=LOAN,
    acts=(
        ("message", "loan-decision", {"verdict": {"approved": "perhaps", "officer": "grace"}}),
        ("message", "loan-decision", {"verdict": {"approved": True, "officer": "grace"}}),
    ),
    status="ok",
    document=_loan("officer:grace"),
    events=[*_ASKED, refused("record-decision"), done("record-decision"), *_PAID],
    effects=["/credit-reports", "/payouts", "/reviews"],
)
DECLINED_BY_OFFICER = Case(
    name="loan is declined by an officer",
    process="loan-approval",
    id_field="loanId",
    nature="fair",
    variables=LOAN,
    acts=(("message", "loan-decision", {"verdict": {"approved": False, "officer": "grace", "comment": "no"}}),),
    status="error",
    document=_error(
        "LOAN_DECLINED", "a loan officer has declined", "loanId", {"decidedBy": "officer:grace", "comment": "no"}
    ),
    events=[*_ASKED, refused("record-decision"), done("handle-error")],
    effects=["/credit-reports", "/reviews"],
)
EXPIRED = Case(
    name="loan application expires",
    process="loan-approval",
    id_field="loanId",
    nature="fair",
    variables=LOAN,
    acts=(("timer", "decision-overdue", {}),),
    status="error",
    document=_error("DECISION_OVERDUE", "no loan officer decided in time", "loanId", {}),
    events=[*_ASKED, done("handle-error")],
    effects=["/credit-reports", "/reviews"],
)

CASES = (
    ONBOARDED,
    REJECTED,
    FULFILLED,
    LATE,
    LOST,
    SOLD_OUT,
    APPROVED_BY_RULE,
    DECLINED_BY_RULE,
    APPROVED_BY_OFFICER,
    DECLINED_BY_OFFICER,
    EXPIRED,
)
