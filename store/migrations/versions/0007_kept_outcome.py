"""Add the column for the data to deliver an outcome again if the other columns hold it redacted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event_log", sa.Column("kept_outcome", Json()))


def downgrade() -> None:
    op.drop_column("event_log", "kept_outcome")
