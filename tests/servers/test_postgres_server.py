"""The PostgreSQL that tests use: it starts, forgets nothing over a restart, and asks for its password."""

import psycopg
import pytest


def test_a_database_of_its_own_outlives_a_restart(postgres):
    url = postgres.new_database().replace("+psycopg", "")
    with psycopg.connect(url) as db:
        db.execute("CREATE TABLE kept (n int)")
    postgres.stop()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(url, connect_timeout=2)
    postgres.start()
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_wrong_password_is_refused(postgres):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url(driver="postgresql", password="wrong"), connect_timeout=2)
