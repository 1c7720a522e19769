"""Add columns for the code and the step of an error, filled from the errors there are, and indexes for list filters.

The version before doesn't write the columns. A process that it ends while it runs beside this one is not found by them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import key_text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Not `status = 'error'`: SQLite would then use the index by status and read all processes that ever failed.
_REJECTED = "incident_id IS NULL AND status <> 'ok' AND status <> 'pending' AND status <> 'cancelled'"

#: index -> its columns and the rows that it contains
_INDEXES = {
    "ix_process_store_rejected": (["seq"], _REJECTED),
    "ix_process_store_batch_id_status_seq": (["batch_id", "status", "seq"], "batch_id IS NOT NULL"),
    "ix_process_store_application_id_status_seq": (["application_id", "status", "seq"], "application_id IS NOT NULL"),
    "ix_process_store_error_code_seq": (["error_code", "seq"], "error_code IS NOT NULL"),
    "ix_process_store_error_step_seq": (["error_step", "seq"], "error_step IS NOT NULL"),
}

_FILL = {
    "sqlite": """
        UPDATE process_store SET
        error_code = nullif(trim(substr(json_extract(error, '$.code'), 1, 200)), ''),
        error_step = nullif(trim(substr(json_extract(error, '$.step'), 1, 200)), '')
        WHERE error IS NOT NULL AND json_valid(error)
    """,
    "mssql": """
        EXEC('UPDATE process_store SET
        error_code = NULLIF(LTRIM(RTRIM(LEFT(JSON_VALUE(error, ''$.code''), 200))), N''''),
        error_step = NULLIF(LTRIM(RTRIM(LEFT(JSON_VALUE(error, ''$.step''), 200))), N'''')
        WHERE ISJSON(error) = 1')
    """,
}


def upgrade() -> None:
    op.add_column("process_store", sa.Column("error_code", key_text(200)))
    op.add_column("process_store", sa.Column("error_step", key_text(200)))
    op.execute(_FILL[op.get_context().dialect.name])
    for index, (columns, rows) in _INDEXES.items():
        op.create_index(index, "process_store", columns, mssql_where=sa.text(rows), sqlite_where=sa.text(rows))


def downgrade() -> None:
    for index in reversed(_INDEXES):
        op.drop_index(index, "process_store")
    op.drop_column("process_store", "error_step")
    op.drop_column("process_store", "error_code")
