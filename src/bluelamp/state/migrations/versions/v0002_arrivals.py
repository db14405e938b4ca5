"""What comes while people look, until it is imported, and what is published of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "arrivals",
        sa.Column("arrival_id", _number, primary_key=True),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("sender_key", sa.String(200), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("table_name", sa.String(50), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("came_at", _instant, nullable=False),
        sa.Column("batch_id", sa.String(50), index=True),
        sa.UniqueConstraint("who", "sender_key", name="arrivals_once"),
    )
    op.create_table(
        "published",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("sequence", _number, nullable=False),
        sa.Column("made_at", _instant, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Take them away; what was not imported yet is lost."""
    op.drop_table("published")
    op.drop_table("arrivals")
