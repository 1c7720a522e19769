"""How far a reconciler has come: a name and a value that survive a restart."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from store.clock import now
from store.database import Database, is_unique_violation
from store.models import bookmark


class BookmarkStore:
    """The bookmarks of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, name: str) -> str | None:
        """The value last kept under `name`."""
        with self._db.read() as connection:
            query = sa.select(bookmark.c.value).where(bookmark.c.name == name)
            value: str | None = connection.execute(query).scalar_one_or_none()
            return value

    def put(self, name: str, value: str) -> None:
        """Keep `value` under `name`."""
        values = {"value": value, "updated_at": now()}
        with self._db.write() as connection:
            done = connection.execute(sa.update(bookmark).where(bookmark.c.name == name).values(values))
            if done.rowcount == 1:
                return
        try:
            with self._db.write() as connection:
                connection.execute(sa.insert(bookmark), {"name": name, **values})
        except DBAPIError as error:
            # Another reconciler wrote the first value between our two statements; both are as good.
            if not is_unique_violation(error):
                raise
