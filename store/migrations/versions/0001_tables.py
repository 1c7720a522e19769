"""Create the tables process_store, event_log and bookmark."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import Json, UtcTime, big_id, key_text, long_text, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "process_store",
        sa.Column("seq", big_id(), sa.Identity(), primary_key=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("correlation_id", key_text(200), nullable=False),
        sa.Column("request_hash", key_text(64), nullable=False),
        sa.Column("process_key", key_text(200), nullable=False),
        sa.Column("process_instance_id", key_text(64)),
        sa.Column("status", key_text(16), nullable=False),
        sa.Column("claim_token", key_text(64)),
        sa.Column("claim_until", UtcTime()),
        sa.Column("engine_open", sa.Boolean(), nullable=False),
        sa.Column("variables", Json(), nullable=False),
        sa.Column("result", Json()),
        sa.Column("error", Json()),
        sa.Column("incident_id", key_text(64)),
        sa.Column("callback_url", text(2000)),
        sa.Column("batch_id", key_text(200)),
        sa.Column("traceability_id", key_text(200), nullable=False),
        sa.Column("application_id", key_text(200)),
        sa.Column("identifiers", Json()),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime()),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("correlation_id"),
        sa.CheckConstraint("status IN ('pending', 'ok', 'error', 'cancelled')", name="status"),
    )
    op.create_index("ix_process_store_status_seq", "process_store", ["status", "seq"])
    op.create_index("ix_process_store_process_key_seq", "process_store", ["process_key", "seq"])
    op.create_index(
        "ix_process_store_process_instance_id",
        "process_store",
        ["process_instance_id"],
        mssql_where=sa.text("process_instance_id IS NOT NULL"),
        sqlite_where=sa.text("process_instance_id IS NOT NULL"),
    )
    op.create_index(
        "ix_process_store_unstarted",
        "process_store",
        ["updated_at"],
        mssql_where=sa.text("process_instance_id IS NULL AND status = 'pending'"),
        sqlite_where=sa.text("process_instance_id IS NULL AND status = 'pending'"),
    )
    op.create_index(
        "ix_process_store_engine_open",
        "process_store",
        ["updated_at"],
        mssql_where=sa.text("engine_open = 1"),
        sqlite_where=sa.text("engine_open = 1"),
    )
    op.create_table(
        "event_log",
        sa.Column("seq", big_id(), sa.Identity(), primary_key=True),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", key_text(200)),
        sa.Column("traceability_id", key_text(200), nullable=False),
        sa.Column("application_id", key_text(200)),
        sa.Column("correlation_id", key_text(200)),
        sa.Column("process_instance_id", key_text(64)),
        sa.Column("external_task_id", key_text(64)),
        sa.Column("lock_token", key_text(128)),
        sa.Column("phase", key_text(20), nullable=False),
        sa.Column("actor", text(200)),
        sa.Column("target_system", text(200)),
        sa.Column("originating_system", text(200)),
        sa.Column("process_name", text(200)),
        sa.Column("step", sa.Integer()),
        sa.Column("step_name", text(200), nullable=False),
        sa.Column("business_action_request", Json()),
        sa.Column("business_action_response", Json()),
        sa.Column("identifiers", Json()),
        sa.Column("result", text(1000)),
        sa.Column("http_status_code", sa.Integer()),
        sa.Column("http_method", text(16)),
        sa.Column("endpoint", text(1000)),
        sa.Column("metadata", Json()),
        sa.Column("error_details", long_text()),
        sa.Column("last_update_id", text(200)),
        sa.Column("execution_time", sa.Integer()),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
    )
    op.create_index(
        "uq_event_log_external_task_id_lock_token",
        "event_log",
        ["external_task_id", "lock_token"],
        unique=True,
        mssql_where=sa.text("external_task_id IS NOT NULL"),
        sqlite_where=sa.text("external_task_id IS NOT NULL"),
    )
    op.create_index("ix_event_log_traceability_id_seq", "event_log", ["traceability_id", "seq"])
    op.create_index("ix_event_log_correlation_id_seq", "event_log", ["correlation_id", "seq"])
    op.create_index("ix_event_log_execution_id", "event_log", ["execution_id"])
    op.create_index(
        "ix_event_log_open",
        "event_log",
        ["updated_at"],
        mssql_where=sa.text("phase IN ('started', 'completing')"),
        sqlite_where=sa.text("phase IN ('started', 'completing')"),
    )
    op.create_table(
        "bookmark",
        sa.Column("name", key_text(64), primary_key=True),
        sa.Column("value", text(200), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("bookmark")
    op.drop_table("event_log")
    op.drop_table("process_store")
