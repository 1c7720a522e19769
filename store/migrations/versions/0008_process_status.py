"""Add the column for the status that an attempt of a response step gives its process, so that it isn't guessed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import key_text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event_log", sa.Column("process_status", key_text(16)))


def downgrade() -> None:
    op.drop_column("event_log", "process_status")
