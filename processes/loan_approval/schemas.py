"""The schemas of `loan-approval`: the variables of a start, and input and output of each step."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from processes.business_error import BusinessError
from processes.whole_number import WholeNumber


class Application(Schema):
    """The variables of a start. Amount and income are in whole units of the bank's currency."""

    loanId = fields.String(required=True, validate=validate.Length(1, 100))
    customerId = fields.String(required=True, validate=validate.Length(1, 100))
    amount = WholeNumber(required=True, validate=validate.Range(500, 100_000))
    termMonths = WholeNumber(required=True, validate=validate.Range(6, 120))
    monthlyIncome = WholeNumber(required=True, validate=validate.Range(1, 1_000_000))
    iban = fields.String(
        required=True,
        # `(?!\n)` because `$` also matches before a line break at the end; JSON Schema has no `\Z`
        validate=validate.Regexp(r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$(?!\n)", error="An IBAN without blanks."),
    )


class Applicant(Schema):
    """Input of `check-credit`."""

    loanId = fields.String(required=True)
    customerId = fields.String(required=True)


class CreditReport(Schema):
    """Output of `check-credit`."""

    reportId = fields.String(required=True)
    creditScore = fields.Integer(required=True, validate=validate.Range(0, 1_000))


class Risk(Schema):
    """Input of `assess-risk`."""

    amount = fields.Integer(required=True)
    termMonths = fields.Integer(required=True)
    monthlyIncome = fields.Integer(required=True)
    creditScore = fields.Integer(required=True)


class Assessment(Schema):
    """Output of `assess-risk`; a declined application ends in a business error instead."""

    decision = fields.String(required=True, validate=validate.OneOf(["approve", "review"]))
    decidedBy = fields.String(required=True)
    instalment = fields.Float(required=True)


class ReviewRequest(Schema):
    """Input of `request-review`: the data for the loan officer."""

    loanId = fields.String(required=True)
    customerId = fields.String(required=True)
    amount = fields.Integer(required=True)
    termMonths = fields.Integer(required=True)
    creditScore = fields.Integer(required=True)
    instalment = fields.Float(required=True)


class Review(Schema):
    """Output of `request-review`."""

    reviewId = fields.String(required=True)


class Verdict(Schema):
    """The decision of a loan officer."""

    approved = fields.Boolean(required=True, truthy={True}, falsy={False})
    officer = fields.String(required=True, validate=validate.Length(1, 100))
    comment = fields.String(load_default="", validate=validate.Length(max=1_000))


class Decision(Schema):
    """Input of `record-decision`: the variable of the message `loan-decision`.

    It is one object, so that a message replaces an earlier one as a whole and not only some of its fields.
    """

    verdict = fields.Nested(Verdict, required=True)


class DecisionRecord(Schema):
    """Output of `record-decision`."""

    decidedBy = fields.String(required=True)


class Payout(Schema):
    """Input of `pay-out`."""

    loanId = fields.String(required=True)
    amount = fields.Integer(required=True)
    iban = fields.String(required=True)


class PayoutResult(Schema):
    """Output of `pay-out`."""

    payoutId = fields.String(required=True)


class Response(Schema):
    """Input of `prepare-response`."""

    loanId = fields.String(required=True)
    amount = fields.Integer(required=True)
    instalment = fields.Float(required=True)
    decidedBy = fields.String(required=True)
    payoutId = fields.String(required=True)


class LoanError(BusinessError):
    """Input of `handle-error`: the variables that the boundary event and the failed step set."""

    loanId = fields.String(load_default=None, allow_none=True)
