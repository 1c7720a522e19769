"""The tables, in SQLAlchemy Core: statements are built once and executed many times, without an object mapper.

The large tables are clustered on a growing number. With a random UUID as the clustered key, inserts would split pages.
"""

from __future__ import annotations

import sqlalchemy as sa

from store.types import Json, OrZero, UtcTime, big_id, key_text, long_text, text

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# Not `status = 'error'`: SQLite would then use the index by status and read all processes that ever failed.
_REJECTED = "incident_id IS NULL AND status <> 'ok' AND status <> 'pending' AND status <> 'cancelled'"

#: Process rows: one for each accepted start, with the status of the process from `pending` to its end.
process_store = sa.Table(
    "process_store",
    metadata,
    sa.Column("seq", big_id(), sa.Identity(), primary_key=True),
    sa.Column("id", sa.Uuid(), nullable=False),  # is also the id of the Celery task of the start
    sa.Column("correlation_id", key_text(200), nullable=False),
    sa.Column("request_hash", key_text(64), nullable=False),  # SHA-256 of the request
    sa.Column("process_key", key_text(200), nullable=False),
    sa.Column("process_instance_id", key_text(64)),
    sa.Column("status", key_text(16), nullable=False),
    sa.Column("claim_token", key_text(64)),
    sa.Column("claim_until", UtcTime()),
    sa.Column("engine_open", sa.Boolean(), nullable=False),  # True: the row has ended, but the instance may run
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
    sa.Column("priority", OrZero()),  # of the start
    # code and step in `error`, to find the process by
    sa.Column("error_code", key_text(200)),
    sa.Column("error_step", key_text(200)),
    # NULL: the facade
    sa.Column("started_by", key_text(16)),
    sa.Column("rerun_of", key_text(200)),  # correlation id of the ended process that this start repeats
    sa.UniqueConstraint("id"),
    sa.UniqueConstraint("correlation_id"),
    sa.CheckConstraint("status IN ('pending', 'ok', 'error', 'cancelled')", name="status"),
    sa.Index("ix_process_store_status_seq", "status", "seq"),
    sa.Index("ix_process_store_process_key_seq", "process_key", "seq"),
    sa.Index("ix_process_store_process_key_status_seq", "process_key", "status", "seq"),
    sa.Index("ix_process_store_started_at", "started_at"),
    sa.Index("ix_process_store_traceability_id", "traceability_id"),
    sa.Index("ix_process_store_started_by_status_seq", "started_by", "status", "seq"),
    # Each of the following indexes contains only the few rows that its query needs.
    sa.Index(
        "ix_process_store_process_instance_id",
        "process_instance_id",
        mssql_where=sa.text("process_instance_id IS NOT NULL"),
        sqlite_where=sa.text("process_instance_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_process_store_unstarted",
        "updated_at",
        mssql_where=sa.text("process_instance_id IS NULL AND status = 'pending'"),
        sqlite_where=sa.text("process_instance_id IS NULL AND status = 'pending'"),
    ),
    sa.Index(
        "ix_process_store_engine_open",
        "updated_at",
        mssql_where=sa.text("engine_open = 1"),
        sqlite_where=sa.text("engine_open = 1"),
    ),
    sa.Index(
        "ix_process_store_on_incident",
        "seq",
        mssql_where=sa.text("incident_id IS NOT NULL"),
        sqlite_where=sa.text("incident_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_process_store_finished",
        "finished_at",
        mssql_where=sa.text("finished_at IS NOT NULL"),
        sqlite_where=sa.text("finished_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_process_store_rejected",
        "seq",
        mssql_where=sa.text(_REJECTED),
        sqlite_where=sa.text(_REJECTED),
    ),
    sa.Index(
        "ix_process_store_batch_id_status_seq",
        "batch_id",
        "status",
        "seq",
        mssql_where=sa.text("batch_id IS NOT NULL"),
        sqlite_where=sa.text("batch_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_process_store_application_id_status_seq",
        "application_id",
        "status",
        "seq",
        mssql_where=sa.text("application_id IS NOT NULL"),
        sqlite_where=sa.text("application_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_process_store_error_code_seq",
        "error_code",
        "seq",
        mssql_where=sa.text("error_code IS NOT NULL"),
        sqlite_where=sa.text("error_code IS NOT NULL"),
    ),
    sa.Index(
        "ix_process_store_error_step_seq",
        "error_step",
        "seq",
        mssql_where=sa.text("error_step IS NOT NULL"),
        sqlite_where=sa.text("error_step IS NOT NULL"),
    ),
    sa.Index(
        "ix_process_store_rerun_of_seq",
        "rerun_of",
        "seq",
        mssql_where=sa.text("rerun_of IS NOT NULL"),
        sqlite_where=sa.text("rerun_of IS NOT NULL"),
    ),
    implicit_returning=False,
)

#: Identifiers: the names and values by which a process is found, of its start and of each step. A value that a later
#: step replaced is kept. The rows are deleted with their process.
process_identifier = sa.Table(
    "process_identifier",
    metadata,
    sa.Column("process_seq", big_id(), nullable=False),
    sa.Column("name", key_text(100), nullable=False),
    sa.Column("value", key_text(200), nullable=False),
    sa.PrimaryKeyConstraint("process_seq", "name", "value"),
    sa.ForeignKeyConstraint(["process_seq"], ["process_store.seq"], ondelete="CASCADE"),
    # The key at the end of each index gives the newest processes first.
    sa.Index("ix_process_identifier_name_value", "name", "value", "process_seq"),
    sa.Index("ix_process_identifier_value", "value", "process_seq"),
    sqlite_with_rowid=False,
    implicit_returning=False,
)

#: Event log: one row for each attempt of a step (unique by external task and lock token), and one for each act of ops.
event_log = sa.Table(
    "event_log",
    metadata,
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
    sa.Column("execution_time", sa.Integer()),  # milliseconds
    sa.Column("created_at", UtcTime(), nullable=False),
    sa.Column("updated_at", UtcTime(), nullable=False),
    # the data to deliver an outcome again if the other columns hold it redacted; NULL when the engine has the outcome
    sa.Column("kept_outcome", Json()),
    # for a response step: the status that its process gets when the engine has accepted the completion of this attempt
    sa.Column("process_status", key_text(16)),
    sa.Index(
        "uq_event_log_external_task_id_lock_token",
        "external_task_id",
        "lock_token",
        unique=True,
        # A unique index of SQL Server treats NULLs as equal, and acts of ops have no external task.
        mssql_where=sa.text("external_task_id IS NOT NULL"),
        sqlite_where=sa.text("external_task_id IS NOT NULL"),
    ),
    sa.Index("ix_event_log_traceability_id_seq", "traceability_id", "seq"),
    sa.Index("ix_event_log_correlation_id_seq", "correlation_id", "seq"),
    sa.Index("ix_event_log_execution_id", "execution_id"),
    sa.Index(
        "ix_event_log_open",
        "updated_at",
        mssql_where=sa.text("phase IN ('started', 'completing')"),
        sqlite_where=sa.text("phase IN ('started', 'completing')"),
    ),
    implicit_returning=False,
)

#: Webhook deliveries: one row for each end of a process with a callback, with the state of its delivery.
webhook_delivery = sa.Table(
    "webhook_delivery",
    metadata,
    sa.Column("seq", big_id(), sa.Identity(), primary_key=True),
    sa.Column("id", sa.Uuid(), nullable=False),  # is also the id of the webhook, the same in every attempt
    sa.Column("process_id", sa.Uuid(), nullable=False),
    sa.Column("correlation_id", key_text(200), nullable=False),
    sa.Column("url", text(2000), nullable=False),
    sa.Column("payload", Json()),  # the process as it ended; NULL when there will be no more attempt
    sa.Column("status", key_text(16), nullable=False),
    sa.Column("attempt", sa.Integer(), nullable=False),
    sa.Column("next_at", UtcTime()),  # until then only the holder of the claim token may change a pending row
    sa.Column("claim_token", key_text(64)),
    sa.Column("last_status_code", sa.Integer()),
    sa.Column("last_error", text(500)),
    sa.Column("created_at", UtcTime(), nullable=False),
    sa.Column("updated_at", UtcTime(), nullable=False),
    sa.UniqueConstraint("id"),
    sa.CheckConstraint("status IN ('pending', 'delivered', 'failed')", name="status"),
    sa.Index("ix_webhook_delivery_process_id_seq", "process_id", "seq"),
    sa.Index(
        "ix_webhook_delivery_due",
        "next_at",
        mssql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    ),
    implicit_returning=False,
)

#: Bookmarks: how far the reconciler has read, so that it goes on there after a restart.
bookmark = sa.Table(
    "bookmark",
    metadata,
    sa.Column("name", key_text(64), primary_key=True),
    sa.Column("value", text(200), nullable=False),
    sa.Column("updated_at", UtcTime(), nullable=False),
)

#: Controls of topics by ops: pauses and limits. A topic without controls needs no row.
topic_control = sa.Table(
    "topic_control",
    metadata,
    sa.Column("topic", key_text(255), primary_key=True),
    sa.Column("paused_at", UtcTime()),
    sa.Column("reason", text(500)),  # of the pause
    sa.Column("max_concurrency", sa.Integer()),  # NULL: the value in the code; 0: no limit
    sa.Column("rate", key_text(32)),  # such as 5/second; NULL: the value in the code; `none`: no limit
    sa.Column("actor", text(200), nullable=False),
    sa.Column("updated_at", UtcTime(), nullable=False),
    implicit_returning=False,
)

#: Maintenance: one row while ops have the service in maintenance.
maintenance = sa.Table(
    "maintenance",
    metadata,
    sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),  # always 1
    sa.Column("since", UtcTime(), nullable=False),
    sa.Column("reason", text(500), nullable=False),
    sa.Column("starts", key_text(8), nullable=False),
    sa.Column("until", UtcTime()),  # when ops expect it to end
    sa.Column("actor", text(200), nullable=False),
    sa.CheckConstraint("starts IN ('refuse', 'hold')", name="starts"),
    implicit_returning=False,
)
