"""Add the column that names the process of which a start is a rerun, and its index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import key_text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_INDEX, _ROWS = "ix_process_store_rerun_of_seq", "rerun_of IS NOT NULL"


def upgrade() -> None:
    op.add_column("process_store", sa.Column("rerun_of", key_text(200)))
    op.create_index(
        _INDEX, "process_store", ["rerun_of", "seq"], mssql_where=sa.text(_ROWS), sqlite_where=sa.text(_ROWS)
    )


def downgrade() -> None:
    op.drop_index(_INDEX, "process_store")
    op.drop_column("process_store", "rerun_of")
