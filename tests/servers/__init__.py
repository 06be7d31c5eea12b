"""Real servers on loopback, started by tests at a free port, with their data in a folder of the test."""

from tests.servers.postgres import Postgres, why_no_postgres

__all__ = ["Postgres", "why_no_postgres"]
