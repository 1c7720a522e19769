"""Bookmarks: named values that survive a restart, such as how far the reconciler has read."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from store.clock import now
from store.database import Database
from store.driver_errors import is_unique_violation
from store.models import bookmark


class BookmarkStore:
    """The bookmarks of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, name: str) -> str | None:
        """The value of bookmark `name`; None when it doesn't exist."""
        with self._db.read() as connection:
            query = sa.select(bookmark.c.value).where(bookmark.c.name == name)
            value: str | None = connection.execute(query).scalar_one_or_none()
            return value

    def get_or_put(self, name: str, value: str) -> str:
        """The value of bookmark `name`; if it doesn't exist, it is created with `value`.

        When two callers create it at the same time, both get the same value.
        """
        found = self.get(name)
        if found is None:
            try:
                with self._db.write_one() as connection:
                    connection.execute(sa.insert(bookmark), {"name": name, "value": value, "updated_at": now()})
            except DBAPIError as error:
                if not is_unique_violation(error):
                    raise
            found = self.get(name)
        return found or value

    def put(self, name: str, value: str) -> None:
        """Set bookmark `name` to `value`."""
        values = {"value": value, "updated_at": now()}
        with self._db.write_one() as connection:
            done = connection.execute(sa.update(bookmark).where(bookmark.c.name == name).values(values))
            if done.rowcount == 1:
                return
        try:
            with self._db.write_one() as connection:
                connection.execute(sa.insert(bookmark), {"name": name, **values})
        except DBAPIError as error:
            # Another reconciler created the bookmark between the two statements. Its value is equally valid.
            if not is_unique_violation(error):
                raise
