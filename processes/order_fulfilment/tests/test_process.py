"""Tests every path through the diagram, with simulated partner services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from camunda_bridge import PartnerClient
from processes.order_fulfilment import steps
from processes.order_fulfilment.steps import process
from testkit import ProcessRun

Run = Callable[..., ProcessRun]

TO_THE_CARRIER = ["charge-payment", "reserve-goods", "confirm-order", "ship-order"]


@pytest.fixture(autouse=True)
def partner(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """The partner services without errors; all other requests are answered 500."""
    client = PartnerClient(httpserver.url_for(""), retries=0)
    monkeypatch.setattr(steps, "partner", lambda: client)
    answers(httpserver, "/reservations", reservationId="res-1")
    answers(httpserver, "/payments", paymentId="pay-1")
    answers(httpserver, "/shipments", trackingNumber="trk/1")
    answers(httpserver, "/releases", releaseId="rel-1")
    answers(httpserver, "/refunds", refundId="ref-1")
    return httpserver


def answers(partner: HTTPServer, path: str, **answer: Any) -> None:
    """Define the answer of a service."""
    partner.expect_request(path).respond_with_json(answer)


def parcel_is(partner: HTTPServer, state: str) -> None:
    partner.expect_oneshot_request("/shipments/trk/1", method="GET").respond_with_json({"state": state})


def keys_of(partner: HTTPServer, path: str) -> list[str | None]:
    return [request.headers.get("Idempotency-Key") for request, _ in partner.log if request.path == path]


def sorted_branches(run: ProcessRun) -> list[str]:
    """The steps that ran; the first two are sorted, because they run at the same time."""
    return [*sorted(run.steps[:2]), *run.steps[2:]]


def test_order_waits_for_the_carrier_and_is_fulfilled_by_its_message(run_process: Run) -> None:
    run = run_process(process, process.example)
    assert (run.status, run.waiting_at) == ("waiting", ["carrier"]), run

    run.message("parcel-delivered", {"deliveredAt": "2026-03-01T10:00:00Z", "signedBy": "Ada"})

    assert run.status == "ok", run
    assert run.result == {
        "orderId": "order-1001",
        "reservationId": "res-1",
        "paymentId": "pay-1",
        "trackingNumber": "trk/1",
        "deliveredAt": "2026-03-01T10:00:00Z",
        "signedBy": "Ada",
        "message": "order order-1001 is delivered",
    }
    assert sorted_branches(run) == [*TO_THE_CARRIER, "prepare-response"]
    assert run.path[-1] == "order-fulfilled"
    assert {event.phase for event in run.events} == {"completed"}


def test_money_and_goods_are_asked_for_at_once_each_with_a_key_of_its_own(
    run_process: Run, partner: HTTPServer
) -> None:
    run = run_process(process, process.example)

    assert run.path.count("fork") == 1
    assert run.path.index("confirm-order") > max(run.path.index("reserve-goods"), run.path.index("charge-payment"))
    keys = keys_of(partner, "/reservations") + keys_of(partner, "/payments")
    assert len(set(keys)) == 2
    assert None not in keys


def test_sold_out_order_gives_the_money_back(run_process: Run, partner: HTTPServer) -> None:
    partner.clear()
    answers(partner, "/reservations", missingItems=["cup"])
    answers(partner, "/payments", paymentId="pay-1")
    answers(partner, "/refunds", refundId="ref-1")

    run = run_process(process, process.example)

    assert (run.status, run.path[-1]) == ("error", "order-cancelled"), run
    assert run.error == {
        "code": "OUT_OF_STOCK",
        "message": "some items are sold out",
        "type": "BusinessRuleError",
        "details": {"missingItems": ["cup"]},
        "orderId": "order-1001",
        "releaseId": None,
        "refundId": "ref-1",
    }
    assert sorted(run.steps) == sorted(
        ["reserve-goods", "charge-payment", "confirm-order", "release-goods", "refund-payment", "handle-error"]
    )
    assert [event.phase for event in run.events if event.step == "confirm-order"] == ["bpmn-error"]


def test_refused_payment_gives_the_goods_back(run_process: Run, partner: HTTPServer) -> None:
    partner.clear()
    answers(partner, "/reservations", reservationId="res-1")
    answers(partner, "/payments", refused=True)
    answers(partner, "/releases", releaseId="rel-1")

    run = run_process(process, process.example)

    assert run.error is not None, run
    assert (run.error["code"], run.error["releaseId"], run.error["refundId"]) == ("PAYMENT_REFUSED", "rel-1", None)
    assert keys_of(partner, "/refunds") == []


def test_overdue_parcel_is_traced_and_waited_for_again(run_process: Run, partner: HTTPServer) -> None:
    run = run_process(process, process.example)
    parcel_is(partner, "in-transit")

    run.fire_timer("delivery-overdue")

    assert (run.status, run.waiting_at) == ("waiting", ["carrier"]), run
    assert run.variables["parcelState"] == "in-transit"
    run.message("parcel-delivered")
    assert run.status == "ok", run
    assert sorted_branches(run) == [*TO_THE_CARRIER, "trace-parcel", "prepare-response"]
    assert run.result is not None
    assert run.result["signedBy"] is None


def test_lost_parcel_undoes_the_order(run_process: Run, partner: HTTPServer) -> None:
    run = run_process(process, process.example)
    parcel_is(partner, "lost")

    run.fire_timer("delivery-overdue")

    assert run.status == "error", run
    assert run.error is not None
    assert (run.error["code"], run.error["details"]) == ("PARCEL_LOST", {"trackingNumber": "trk/1"})
    assert (run.error["releaseId"], run.error["refundId"]) == ("rel-1", "ref-1")
    assert run.steps[-1] == "handle-error"
    assert run.steps.index("handle-error") > max(run.steps.index("release-goods"), run.steps.index("refund-payment"))


def test_warehouse_that_stays_away_is_an_incident_while_the_payment_goes_on(
    run_process: Run, partner: HTTPServer
) -> None:
    partner.clear()
    answers(partner, "/payments", paymentId="pay-1")
    answers(partner, "/shipments", trackingNumber="trk/1")

    run = run_process(process, process.example)

    assert run.status == "incident", run
    assert run.steps.count("charge-payment") == 1
    assert len(set(keys_of(partner, "/reservations"))) == 1, "each attempt has the same key"
    assert len(keys_of(partner, "/reservations")) == 4

    answers(partner, "/reservations", reservationId="res-1")
    assert run.retry().waiting_at == ["carrier"], run
    assert len(keys_of(partner, "/payments")) == 1


def test_message_before_the_parcel_is_shipped_finds_nobody(run_process: Run) -> None:
    run = run_process(process, process.example, replace={"ship-order": ConnectionError("away")})
    assert run.status == "incident", run
    with pytest.raises(LookupError, match="nothing waits for the message"):
        run.message("parcel-delivered")
