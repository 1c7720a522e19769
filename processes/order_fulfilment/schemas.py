"""The schemas of `order-fulfilment`: the variables of a start, and input and output of each step."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from processes.business_error import BusinessError
from processes.whole_number import WholeNumber


class Item(Schema):
    """One line of an order."""

    sku = fields.String(required=True, validate=validate.Length(1, 50))
    quantity = WholeNumber(required=True, validate=validate.Range(1, 1_000))


class Order(Schema):
    """The variables of a start. The amount is in the smallest unit of the currency, so that it is exact."""

    orderId = fields.String(required=True, validate=validate.Length(1, 100))
    customerId = fields.String(required=True, validate=validate.Length(1, 100))
    items = fields.List(fields.Nested(Item), required=True, validate=validate.Length(1, 100))
    amountCents = WholeNumber(required=True, validate=validate.Range(1, 100_000_000))
    currency = fields.String(required=True, validate=validate.OneOf(["EUR", "GBP", "USD"]))
    address = fields.String(required=True, validate=validate.Length(1, 500))


class Goods(Schema):
    """Input of `reserve-goods`."""

    orderId = fields.String(required=True)
    items = fields.List(fields.Nested(Item), required=True)


class Reservation(Schema):
    """Output of `reserve-goods`; without a reservation, `missingItems` has the items that are sold out."""

    reservationId = fields.String(required=True, allow_none=True)
    missingItems = fields.List(fields.String(), required=True)


class Payment(Schema):
    """Input of `charge-payment`."""

    orderId = fields.String(required=True)
    customerId = fields.String(required=True)
    amountCents = fields.Integer(required=True)
    currency = fields.String(required=True)


class PaymentResult(Schema):
    """Output of `charge-payment`; None when the payment was refused."""

    paymentId = fields.String(required=True, allow_none=True)


class Confirmation(Schema):
    """Input of `confirm-order`: the results of both branches."""

    orderId = fields.String(required=True)
    reservationId = fields.String(required=True, allow_none=True)
    missingItems = fields.List(fields.String(), required=True)
    paymentId = fields.String(required=True, allow_none=True)


class Parcel(Schema):
    """Input of `ship-order`."""

    orderId = fields.String(required=True)
    reservationId = fields.String(required=True)
    address = fields.String(required=True)


class Shipment(Schema):
    """Output of `ship-order`, input of `trace-parcel`."""

    trackingNumber = fields.String(required=True)


class Trace(Schema):
    """Output of `trace-parcel`."""

    parcelState = fields.String(required=True, validate=validate.OneOf(["in-transit", "lost"]))


class Response(Schema):
    """Input of `prepare-response`; the last two fields come from the message of the carrier."""

    orderId = fields.String(required=True)
    reservationId = fields.String(required=True)
    paymentId = fields.String(required=True)
    trackingNumber = fields.String(required=True)
    deliveredAt = fields.String(load_default=None, allow_none=True)
    signedBy = fields.String(load_default=None, allow_none=True)


class ReservationToRelease(Schema):
    """Input of `release-goods`."""

    orderId = fields.String(required=True)
    reservationId = fields.String(required=True, allow_none=True)


class Release(Schema):
    """Output of `release-goods`; None when nothing was reserved."""

    releaseId = fields.String(required=True, allow_none=True)


class PaymentToRefund(Schema):
    """Input of `refund-payment`."""

    orderId = fields.String(required=True)
    paymentId = fields.String(required=True, allow_none=True)


class Refund(Schema):
    """Output of `refund-payment`; None when nothing was charged."""

    refundId = fields.String(required=True, allow_none=True)


class OrderError(BusinessError):
    """Input of `handle-error`: the variables of the error, and the ids of release and refund."""

    orderId = fields.String(load_default=None, allow_none=True)
    releaseId = fields.String(load_default=None, allow_none=True)
    refundId = fields.String(load_default=None, allow_none=True)
