"""A parallel multi-instance sub-process: the steps of each item see their own variables, and the results are collected."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from camunda_bridge import define_process


class Basket(Schema):
    """The items to be priced."""

    items = fields.List(fields.String(), required=True)


process = define_process("priced", start_schema=Basket, example={"items": ["3", "4"]})


@process.step("price", scope="local")
def price(given: dict[str, Any]) -> dict[str, Any]:
    """The price of an item. It is local to the task; the output mapping makes it that of the item, and leaves `source`."""
    return {"price": int(given["item"]), "source": "list"}


@process.step("discount")
def discount(given: dict[str, Any]) -> dict[str, Any]:
    """Reads what the step before found for the same item. Its result has a name of its own for each item."""
    item = given["item"]
    if given["itemPrice"] != int(item):
        raise ValueError(f"item {item} got the price {given['itemPrice']} of another one")
    return {f"discounted-{item}": given["itemPrice"] * 10}


@process.step("answer", outcome="ok")
def answer(given: dict[str, Any]) -> dict[str, Any]:
    """The prices of all items, and the names of the variables that nothing has carried out."""
    prices = {item: given[f"discounted-{item}"] for item in given["items"]}
    return {"prices": prices, "leaked": sorted({"price", "source", "itemPrice"} & set(given))}
