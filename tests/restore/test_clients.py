"""A pg_restore that sets parameters unknown to an older server is refused before anything changes."""

from types import SimpleNamespace

import pytest

from opsproof.core.errors import Refused
from opsproof.restore.copy import RestoredDatabase


def copied(client, server):
    """A new database, not yet made, of a client and a server with these versions."""
    machine = SimpleNamespace(version=client, server=SimpleNamespace(version_num=server))
    return RestoredDatabase(None, None, None, machine, "shop_drill_20261125T000000Z")


@pytest.mark.parametrize("client", ["pg_restore (PostgreSQL) 17.10", "pg_restore (PostgreSQL) 18.6 (Debian 18.6-1)"])
def test_newer_client_is_refused_for_server_that_lacks_its_settings(client):
    with pytest.raises(Refused, match=r"sets transaction_timeout, unknown to the server: install client 16"):
        copied(client, 160014)._require_client()


@pytest.mark.parametrize(
    ("client", "server"),
    [("pg_restore (PostgreSQL) 16.14", 140023), ("pg_restore (PostgreSQL) 18.6", 170010)],
)
def test_newer_client_is_accepted_where_the_server_knows_its_settings(client, server):
    copied(client, server)._require_client()
