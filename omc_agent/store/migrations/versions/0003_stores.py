"""Leases by the clock of the boot, and files of more than 2 GB."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column, widen another."""
    op.add_column("agent_sessions", sa.Column("lease_tick", sa.Float(), nullable=True))
    with op.batch_alter_table("agent_artifacts") as table:
        table.alter_column("size", existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=False)
