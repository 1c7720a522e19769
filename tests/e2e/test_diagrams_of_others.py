"""Diagrams as people draw them elsewhere run through the whole stack."""

from __future__ import annotations

import pytest

from tests.support.api import Api


def test_every_kind_of_external_element_runs(api: Api) -> None:
    answer = api.start("external-events")
    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"total": 3, "sent": True, "told": "mail"}


def test_both_processes_of_a_file_in_another_encoding_run(api: Api) -> None:
    buyer, seller = api.start("pool-buyer"), api.start("pool-seller")
    assert (buyer.status, seller.status) == (200, 200), (buyer.body, seller.body)
    assert buyer.body["result"] == {"element": "bestellung-prüfen"}
    assert seller.body["result"] == {"process": "pool-seller"}


@pytest.mark.parametrize(("amount", "discount"), [(200, 10), (50, 0)])
def test_decision_and_called_process_of_the_same_package_run(api: Api, amount: int, discount: int) -> None:
    answer = api.start("bundle", {"amount": amount})
    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"discount": discount, "worked": True}


def test_twenty_items_in_parallel_each_have_their_own_results(api: Api) -> None:
    items = [str(number) for number in range(20)]
    answer = api.start("priced", {"items": items})
    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"prices": {item: int(item) * 10 for item in items}, "leaked": []}


def test_diagram_in_another_encoding_is_deployed_as_it_is_and_shown_as_text(api: Api) -> None:
    health = api.get("/health/ready").body
    assert "pool-buyer" not in str(health)
    begun = api.start("pool-buyer").body["correlationId"]
    shown = api.get(f"/monitor/{begun}/trail?diagram=").body
    assert 'name="Käufer"' in shown["xml"]
    assert shown["elements"]["bestellung-prüfen"]["state"] == "done"
