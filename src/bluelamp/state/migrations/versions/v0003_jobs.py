"""Long work that people ask for and that outlasts whoever does it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "jobs",
        sa.Column("job_id", _number, primary_key=True),
        sa.Column("job_key", sa.String(40), nullable=False, unique=True),
        sa.Column("once_key", sa.String(100), unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("asked_by", sa.String(100), nullable=False),
        sa.Column("asked_at", _instant, nullable=False),
        sa.Column("state", sa.String(20), nullable=False, index=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("not_before", _instant),
        sa.Column("is_stopping", sa.Boolean, nullable=False),
        sa.Column("began_at", _instant),
        sa.Column("ended_at", _instant),
        sa.Column("stage", sa.String(50)),
        sa.Column("share", sa.Float),
        sa.Column("words", sa.Text),
        sa.Column("outcome", sa.Text),
    )


def downgrade() -> None:
    """Take it away; what waits is forgotten. What hands jobs out in a PostgreSQL is made again when it is needed."""
    op.drop_table("jobs")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP SCHEMA IF EXISTS bluelamp_queue CASCADE")
