"""Add indexes for the list of processes, by time of start and by process and status, and for open incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_process_store_started_at", "process_store", ["started_at"])
    op.create_index("ix_process_store_process_key_status_seq", "process_store", ["process_key", "status", "seq"])
    op.create_index(
        "ix_process_store_on_incident",
        "process_store",
        ["seq"],
        mssql_where=sa.text("incident_id IS NOT NULL"),
        sqlite_where=sa.text("incident_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_process_store_on_incident", "process_store")
    op.drop_index("ix_process_store_process_key_status_seq", "process_store")
    op.drop_index("ix_process_store_started_at", "process_store")
