"""Add an index of processes by traceability id, to tell an empty event log from an unknown traceability id."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_process_store_traceability_id", "process_store", ["traceability_id"])


def downgrade() -> None:
    op.drop_index("ix_process_store_traceability_id", "process_store")
