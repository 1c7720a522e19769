"""The schemas of `onboard-user`: the variables of a start, and input and output of each step."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from processes.business_error import BusinessError


class OnboardUser(Schema):
    """The variables of a start."""

    userId = fields.String(required=True, validate=validate.Length(1, 100))
    email = fields.Email(required=True)
    firstName = fields.String(required=True, validate=validate.Length(1, 100))
    lastName = fields.String(required=True, validate=validate.Length(1, 100))
    dateOfBirth = fields.Date(required=True)
    country = fields.String(
        required=True,
        # with a check of the length, because `$` also matches before a line break at the end
        validate=[validate.Length(equal=2), validate.Regexp("^[A-Z]{2}$", error="Two capital letters.")],
    )


class UserInformation(OnboardUser):
    """Input of `validate-user-information`: the variables of the start."""


class ValidatedUser(Schema):
    """Output of `validate-user-information`."""

    userId = fields.String(required=True)
    fullName = fields.String(required=True)
    age = fields.Integer(required=True)


class BackgroundCheck(Schema):
    """Input of `run-background-check`."""

    userId = fields.String(required=True)
    fullName = fields.String(required=True)
    country = fields.String(required=True)


class BackgroundCheckResult(Schema):
    """Output of `run-background-check`."""

    checkId = fields.String(required=True)
    riskLevel = fields.String(required=True, validate=validate.OneOf(["low", "high"]))


class Onboarding(Schema):
    """Input of `call-onboarding-api`."""

    userId = fields.String(required=True)
    fullName = fields.String(required=True)
    email = fields.Email(required=True)
    checkId = fields.String(required=True)


class OnboardingResult(Schema):
    """Output of `call-onboarding-api`."""

    customerId = fields.String(required=True)
    accountId = fields.String(required=True)


class Response(Schema):
    """Input of `prepare-response`."""

    userId = fields.String(required=True)
    customerId = fields.String(required=True)
    accountId = fields.String(required=True)
    riskLevel = fields.String(required=True)


class OnboardingError(BusinessError):
    """Input of `handle-error`: the variables that the boundary event and the failed step set."""

    userId = fields.String(load_default=None, allow_none=True)
