"""What a start of `loan-approval` must hold, and what each of its steps takes and gives."""

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
        # `$` also matches before a line break at the end, and the API's document knows no `\Z`
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
    """Output of `assess-risk`. Who is declined has none: that is a business error."""

    decision = fields.String(required=True, validate=validate.OneOf(["approve", "review"]))
    decidedBy = fields.String(required=True)
    instalment = fields.Float(required=True)


class ReviewRequest(Schema):
    """Input of `request-review`: what a loan officer wants to see."""

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
    """What a loan officer says."""

    approved = fields.Boolean(required=True, truthy={True}, falsy={False})
    officer = fields.String(required=True, validate=validate.Length(1, 100))
    comment = fields.String(load_default="", validate=validate.Length(max=1_000))


class Decision(Schema):
    """Input of `record-decision`: what the message `loan-decision` brought.

    One object, so that a message replaces all that an earlier one said, not some fields of it.
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
    """Input of `handle-error`: what the boundary event and the failed step left."""

    loanId = fields.String(load_default=None, allow_none=True)
