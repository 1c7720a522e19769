"""Create the table of maintenance.

The version before doesn't use the table. It may run beside this one, but it also begins steps during maintenance.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import UtcTime, key_text, text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "maintenance",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("reason", text(500), nullable=False),
        sa.Column("starts", key_text(8), nullable=False),
        sa.Column("until", UtcTime()),
        sa.Column("actor", text(200), nullable=False),
        sa.CheckConstraint("starts IN ('refuse', 'hold')", name="starts"),
    )


def downgrade() -> None:
    op.drop_table("maintenance")
