"""The steps of `order-fulfilment`, in the order of the diagram."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from camunda_bridge import BusinessRuleError, StepContext, define_process
from processes.business_error import error_document
from processes.order_fulfilment import schemas
from processes.partners import partner

process = define_process(
    "order-fulfilment",
    start_schema=schemas.Order,
    process_name="Order fulfilment",
    example={
        "orderId": "order-1001",
        "customerId": "cus-1001",
        "items": [{"sku": "teapot", "quantity": 1}, {"sku": "cup", "quantity": 4}],
        "amountCents": 5_900,
        "currency": "GBP",
        "address": "12 St James's Square, London",
    },
)


@process.step(
    "reserve-goods",
    order=1,
    input_schema=schemas.Goods,
    output_schema=schemas.Reservation,
    http_method="POST",
    endpoint="/reservations",
    success="the warehouse has answered",
    error="goods could not be reserved",
    target_system="warehouse-service",
)
def reserve_goods(order: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Reserve the goods at the warehouse.

    Sold-out goods are a result and not an error, because an error would interrupt the other branch while it charges.
    """
    answer = partner().post("/reservations", order, idempotency_key=context.idempotency_key)
    return {"reservationId": answer.get("reservationId"), "missingItems": answer.get("missingItems", [])}


@process.step(
    "charge-payment",
    order=1,
    input_schema=schemas.Payment,
    output_schema=schemas.PaymentResult,
    http_method="POST",
    endpoint="/payments",
    success="the payment service has answered",
    error="payment could not be charged",
    target_system="payment-service",
)
def charge_payment(payment: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Charge the customer. With the idempotency key, a repeated call doesn't charge twice.

    A refused payment is a result and not an error, as in `reserve-goods`.
    """
    answer = partner().post("/payments", payment, idempotency_key=context.idempotency_key)
    return {"paymentId": answer.get("paymentId")}


@process.step(
    "confirm-order",
    order=2,
    input_schema=schemas.Confirmation,
    success="order is confirmed",
    error="order is not confirmed",
    target_system="celery-camunda",
)
def confirm_order(order: dict[str, Any]) -> dict[str, Any]:
    """Check the results of both branches; without goods or payment, a business error leads to release and refund."""
    if order["reservationId"] is None:
        raise BusinessRuleError("OUT_OF_STOCK", "some items are sold out", {"missingItems": order["missingItems"]})
    if order["paymentId"] is None:
        raise BusinessRuleError("PAYMENT_REFUSED", "the payment was refused", {"orderId": order["orderId"]})
    return {}


@process.step(
    "ship-order",
    order=3,
    input_schema=schemas.Parcel,
    output_schema=schemas.Shipment,
    http_method="POST",
    endpoint="/shipments",
    success="order is shipped",
    error="order could not be shipped",
    target_system="carrier-service",
)
def ship_order(parcel: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Order the shipment at the carrier, which sends a message when the parcel is delivered."""
    shipment = partner().post("/shipments", parcel, idempotency_key=context.idempotency_key)
    return {"trackingNumber": shipment["trackingNumber"]}


@process.step(
    "trace-parcel",
    order=4,
    input_schema=schemas.Shipment,
    output_schema=schemas.Trace,
    http_method="GET",
    endpoint="/shipments/{trackingNumber}",
    success="parcel is on its way",
    error="parcel could not be traced",
    target_system="carrier-service",
)
def trace_parcel(shipment: dict[str, Any]) -> dict[str, Any]:
    """Request the state of an overdue parcel from the carrier; a lost parcel ends in a business error."""
    number = shipment["trackingNumber"]
    state = partner().get(f"/shipments/{quote(number, safe='')}")["state"]
    if state == "lost":
        raise BusinessRuleError("PARCEL_LOST", "the carrier has lost the parcel", {"trackingNumber": number})
    return {"parcelState": state}


@process.step(
    "prepare-response",
    order=5,
    input_schema=schemas.Response,
    outcome="ok",
    success="response is ready",
    error="response could not be prepared",
    target_system="celery-camunda",
)
def prepare_response(order: dict[str, Any]) -> dict[str, Any]:
    """Make the result for the client."""
    return {**order, "message": f"order {order['orderId']} is delivered"}


@process.step(
    "release-goods",
    order=6,
    input_schema=schemas.ReservationToRelease,
    output_schema=schemas.Release,
    http_method="POST",
    endpoint="/releases",
    success="goods are released",
    error="goods could not be released",
    target_system="warehouse-service",
)
def release_goods(reservation: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Undo `reserve-goods`; does nothing when the goods were sold out."""
    if reservation["reservationId"] is None:
        return {"releaseId": None}
    answer = partner().post("/releases", reservation, idempotency_key=context.idempotency_key)
    return {"releaseId": answer["releaseId"]}


@process.step(
    "refund-payment",
    order=6,
    input_schema=schemas.PaymentToRefund,
    output_schema=schemas.Refund,
    http_method="POST",
    endpoint="/refunds",
    success="payment is refunded",
    error="payment could not be refunded",
    target_system="payment-service",
)
def refund_payment(payment: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Undo `charge-payment`; does nothing when the payment was refused."""
    if payment["paymentId"] is None:
        return {"refundId": None}
    answer = partner().post("/refunds", payment, idempotency_key=context.idempotency_key)
    return {"refundId": answer["refundId"]}


@process.step(
    "handle-error",
    order=7,
    input_schema=schemas.OrderError,
    outcome="error",
    success="error is handled",
    error="error could not be handled",
    target_system="celery-camunda",
)
def handle_error(failure: dict[str, Any]) -> dict[str, Any]:
    """Make the error for the client: the reason, and the ids of release and refund."""
    return error_document(failure, "the order could not be fulfilled") | {
        "orderId": failure["orderId"],
        "releaseId": failure["releaseId"],
        "refundId": failure["refundId"],
    }
