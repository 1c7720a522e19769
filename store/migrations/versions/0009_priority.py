"""Add the column for the priority of a start, so that a start that is sent again keeps it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nullable: a column with a default would have SQL Server write every row, and the version before writes none.
    op.add_column("process_store", sa.Column("priority", sa.SmallInteger()))


def downgrade() -> None:
    op.drop_column("process_store", "priority")
