"""Restores of a database that serves as a template."""

import pytest

from tests.restore.databases import Dumped


@pytest.fixture
def dumped(postgres_server, tmp_path):
    database = Dumped(postgres_server, tmp_path)
    yield database
    query = "SELECT datname FROM pg_database WHERE datistemplate AND datname LIKE 'shop%'"
    for (name,) in database.sql(query, database="postgres"):
        database.sql(f'ALTER DATABASE "{name}" IS_TEMPLATE false', database="postgres")
    database.drop()


def template(database):
    rows = database.sql("SELECT datistemplate FROM pg_database WHERE datname = 'shop'", database="postgres")
    return rows == [(True,)]


def test_template_stays_a_template_and_the_old_one_is_dropped(dumped):
    dumped.create("CREATE TABLE t (id int)", "ALTER DATABASE shop IS_TEMPLATE true")
    dumped.require("backup")
    dumped.require("restore")
    assert template(dumped)
    dumped.require("restore", "--drop-old")
    assert dumped.databases == []
