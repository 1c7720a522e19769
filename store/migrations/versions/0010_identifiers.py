"""Create the table of identifiers, by which running and ended processes are found, and fill it from the ended ones.

The version before doesn't use the table. Processes that it starts while it runs beside this one are found by the
identifiers of their next step that this version runs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import big_id, key_text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Only texts and numbers: other values are no identifiers. Values that an event showed redacted are left out.
_FILL = {
    "sqlite": """
        INSERT OR IGNORE INTO process_identifier (process_seq, name, value)
        SELECT process_store.seq, substr(members.key, 1, 100), trim(substr(trim(members.value), 1, 200))
        FROM process_store, json_each(
            CASE WHEN json_valid(process_store.identifiers) THEN process_store.identifiers ELSE '{}' END
        ) AS members
        WHERE process_store.identifiers IS NOT NULL AND members.type IN ('text', 'integer', 'real')
        AND trim(members.value) NOT IN ('', '[redacted]') AND members.key <> ''
    """,
    "mssql": """
        INSERT INTO process_identifier (process_seq, name, value)
        SELECT DISTINCT process_store.seq, LEFT(members.[key], 100), LTRIM(RTRIM(LEFT(LTRIM(members.value), 200)))
        FROM process_store CROSS APPLY OPENJSON(
            CASE WHEN ISJSON(process_store.identifiers) = 1 THEN process_store.identifiers ELSE N'{}' END
        ) AS members
        WHERE process_store.identifiers IS NOT NULL AND members.type IN (1, 2)
        AND LTRIM(RTRIM(members.value)) NOT IN (N'', N'[redacted]') AND members.[key] <> N''
    """,
}


def upgrade() -> None:
    op.create_table(
        "process_identifier",
        sa.Column("process_seq", big_id(), nullable=False),
        sa.Column("name", key_text(100), nullable=False),
        sa.Column("value", key_text(200), nullable=False),
        sa.PrimaryKeyConstraint("process_seq", "name", "value"),
        sa.ForeignKeyConstraint(["process_seq"], ["process_store.seq"], ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_process_identifier_name_value", "process_identifier", ["name", "value", "process_seq"])
    op.create_index("ix_process_identifier_value", "process_identifier", ["value", "process_seq"])
    op.execute(_FILL[op.get_context().dialect.name])


def downgrade() -> None:
    op.drop_table("process_identifier")
