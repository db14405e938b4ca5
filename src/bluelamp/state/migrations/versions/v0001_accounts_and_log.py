"""Accounts, sessions, keys, attempts to sign in, and the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and have the database itself refuse changes of the log."""
    op.create_table(
        "accounts",
        sa.Column("account_id", _number, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("force_id", sa.String(50), nullable=False),
        sa.Column("districts", sa.Text, nullable=False),
        sa.Column("teams", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("issuer", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("changed_at", _instant, nullable=False),
    )
    account = sa.ForeignKey("accounts.account_id", ondelete="CASCADE")
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("account_id", _number, account, nullable=False, index=True),
        sa.Column("form_token", sa.String(64), nullable=False),
        sa.Column("began_at", _instant, nullable=False),
        sa.Column("seen_at", _instant, nullable=False),
        sa.Column("ends_at", _instant, nullable=False),
    )
    account = sa.ForeignKey("accounts.account_id", ondelete="CASCADE")
    op.create_table(
        "keys",
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("account_id", _number, account, nullable=False, index=True),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("made_at", _instant, nullable=False),
        sa.Column("ends_at", _instant),
    )
    # What workers share and nobody else may know, such as what seals the cookies of a sign-in under way.
    op.create_table(
        "secrets", sa.Column("name", sa.String(50), primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )
    op.create_table(
        "attempts",
        sa.Column("attempt_id", _number, primary_key=True),
        sa.Column("who", sa.String(64), nullable=False, index=True),
        sa.Column("at", _instant, nullable=False, index=True),
    )
    op.create_table(
        "log",
        sa.Column("sequence", _number, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("who", sa.String(100), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("operation", sa.String(20), nullable=False, index=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("seal", sa.String(64), nullable=False),
    )
    # The chain finds what was tampered with; this keeps honest programs from doing so by mistake.
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER log_refuses_{verb.lower()} BEFORE {verb} ON log "
                "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION log_refuses() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER log_refuses BEFORE UPDATE OR DELETE OR TRUNCATE ON log "
            "FOR EACH STATEMENT EXECUTE FUNCTION log_refuses()"
        )


def downgrade() -> None:
    """Take all of it away."""
    for name in ("log", "attempts", "secrets", "keys", "sessions", "accounts"):
        op.drop_table(name)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION log_refuses()")
