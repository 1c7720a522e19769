"""How far a reconciler has come: a name and a value that survive a restart."""

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
        """The value last kept under `name`."""
        with self._db.read() as connection:
            query = sa.select(bookmark.c.value).where(bookmark.c.name == name)
            value: str | None = connection.execute(query).scalar_one_or_none()
            return value

    def get_or_put(self, name: str, value: str) -> str:
        """The value kept under `name`; `value`, from now on, if there was none. Of two at once, one wins for both."""
        kept = self.get(name)
        if kept is None:
            try:
                with self._db.write_one() as connection:
                    connection.execute(sa.insert(bookmark), {"name": name, "value": value, "updated_at": now()})
            except DBAPIError as error:
                if not is_unique_violation(error):
                    raise
            kept = self.get(name)
        return kept or value

    def put(self, name: str, value: str) -> None:
        """Keep `value` under `name`."""
        values = {"value": value, "updated_at": now()}
        with self._db.write_one() as connection:
            done = connection.execute(sa.update(bookmark).where(bookmark.c.name == name).values(values))
            if done.rowcount == 1:
                return
        try:
            with self._db.write_one() as connection:
                connection.execute(sa.insert(bookmark), {"name": name, **values})
        except DBAPIError as error:
            # Another reconciler wrote the first value between our two statements; both are as good.
            if not is_unique_violation(error):
                raise
