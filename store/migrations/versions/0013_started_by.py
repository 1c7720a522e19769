"""Add a column for who started a process: NULL for the facade, `engine` for an instance that others started there.

The version before ignores the column. It writes no rows for instances that others started.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import key_text

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INDEX = "ix_process_store_started_by_status_seq"


def upgrade() -> None:
    op.add_column("process_store", sa.Column("started_by", key_text(16)))
    op.create_index(_INDEX, "process_store", ["started_by", "status", "seq"])


def downgrade() -> None:
    op.drop_index(_INDEX, "process_store")
    op.drop_column("process_store", "started_by")
