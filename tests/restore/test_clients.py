"""A pg_restore too new for the server, or too old for the archive, is refused before anything changes."""

from types import SimpleNamespace

import pytest

from opsproof.core.errors import Refused
from opsproof.restore.archive import DumpArchive
from opsproof.restore.copy import RestoredDatabase


def copied(client, server, maker=""):
    """A new database, not yet made, of a client, a server and an archive's pg_dump with these versions."""
    machine = SimpleNamespace(version=client, server=SimpleNamespace(version_num=server))
    archive = DumpArchive("shop", "/shop.dump", 0, 0.0, SimpleNamespace(tools={"pg_dump": maker}))
    return RestoredDatabase(None, None, archive, machine, "shop_drill_20261125T000000Z")


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


@pytest.mark.parametrize(
    ("client", "maker", "needed"),
    [("15.20 (Debian 15.20-0+deb12u1)", "18.1", 17), ("16.14", "17.5", 17), ("14.25", "16.0", 16)],
)
def test_client_that_cannot_read_the_archive_is_refused(client, maker, needed):
    client, maker = f"pg_restore (PostgreSQL) {client}", f"pg_dump (PostgreSQL) {maker}"
    with pytest.raises(Refused) as refused:
        copied(client, 180001, maker)._require_client()
    assert str(refused.value) == f"{client} cannot read archives of {maker}: install client {needed} or newer"


@pytest.mark.parametrize(
    ("client", "maker"),
    [("17.5", "18.1"), ("14.25", "15.20"), ("18.1", "14.25"), ("19.0", "20.0")],
)
def test_client_that_reads_the_format_of_the_archive_is_accepted(client, maker):
    """Also of a newer release with the same format: a good backup must be restorable."""
    copied(f"pg_restore (PostgreSQL) {client}", 180001, f"pg_dump (PostgreSQL) {maker}")._require_client()
