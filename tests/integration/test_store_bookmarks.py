"""Bookmarks: the store keeps one value a name."""

from __future__ import annotations

from store.bookmarks import BookmarkStore
from store.database import Database
from tests.integration.threads import together


def test_unknown_bookmark_is_none(database: Database) -> None:
    assert BookmarkStore(database).get("sweep") is None


def test_last_value_is_kept(database: Database) -> None:
    store = BookmarkStore(database)
    for value in ("1", "2", "2"):
        store.put("sweep", value)
    store.put("Sweep", "other")
    assert (store.get("sweep"), store.get("Sweep")) == ("2", "other")


def test_20_simultaneous_first_values_leave_one(database: Database) -> None:
    store = BookmarkStore(database)
    together(20, lambda index: store.put("sweep", str(index)))
    assert store.get("sweep") in {str(index) for index in range(20)}
