"""Create the table of topic controls: pauses, and limits on how many steps may run at once or begin in a time.

The version before doesn't use the table. It may run beside this one, but it also runs topics that are paused here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from store.types import UtcTime, key_text, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "topic_control",
        sa.Column("topic", key_text(255), primary_key=True),
        sa.Column("paused_at", UtcTime()),
        sa.Column("reason", text(500)),
        sa.Column("max_concurrency", sa.Integer()),
        sa.Column("rate", key_text(32)),
        sa.Column("actor", text(200), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("topic_control")
