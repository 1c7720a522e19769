"""Create the table of webhook deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import Json, UtcTime, big_id, key_text, text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("seq", big_id(), sa.Identity(), primary_key=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", key_text(200), nullable=False),
        sa.Column("url", text(2000), nullable=False),
        sa.Column("payload", Json()),
        sa.Column("status", key_text(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcTime()),
        sa.Column("claim_token", key_text(64)),
        sa.Column("last_status_code", sa.Integer()),
        sa.Column("last_error", text(500)),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.UniqueConstraint("id"),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="status"),
    )
    op.create_index("ix_webhook_delivery_process_id_seq", "webhook_delivery", ["process_id", "seq"])
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["next_at"],
        mssql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    op.drop_table("webhook_delivery")
