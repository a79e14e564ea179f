"""On the shop, init finds what the hand-written inventory declares, or says that it cannot see it."""

import subprocess

import pytest

from lab.waiting import wait_until
from opsproof.command.main import main
from opsproof.inventory.load import load

pytestmark = pytest.mark.shop
OF_THE_OPERATOR = {"backups", "limits", "ports"}
"""Tables about intentions, which a host does not show; so are static and disabled units, and those of users."""


@pytest.fixture(scope="module")
def left_running(shop_lab):
    """A server that a login started by hand and left running, with a secret in its command line."""
    command = "python3 -m http.server 8050 --bind 127.0.0.1 --directory /var/empty-secret"
    subprocess.run([*shop_lab.ssh, f"nohup {command} > /dev/null 2>&1 &"], check=True, timeout=60)
    wait_until(lambda: ":8050 " in shop_lab.root("ss", "-ltn"), "the server listens")
    yield
    shop_lab.root("pkill", "--full", command)


@pytest.fixture(scope="module")
def written(shop_lab, left_running, tmp_path_factory):
    """The hand-written host, and the host and the text that init writes with the role of the rounds."""
    folder = tmp_path_factory.mktemp("init")
    (declared,) = load(shop_lab.inventory(folder / "shop.toml")).hosts.values()
    passfile, path = folder / "pgpass", folder / "new.toml"
    passfile.touch(mode=0o600)
    passfile.write_text(f"127.0.0.1:*:*:opsproof_monitor:{shop_lab.secrets[0]}\n", encoding="utf-8")
    dsns = [f"--dsn={each.dsn} passfile={passfile}" for each in declared.databases.values()]
    assert main(["init", declared.transport, *dsns, f"--into={path}"]) == 0
    (found,) = load(path).hosts.values()
    return declared, found, path.read_text(encoding="utf-8")


def test_databases_and_their_partitions_are_found(written):
    declared, found, _ = written
    ours = {each.dsn: each.superusers for each in declared.databases.values()}
    assert {each.dsn.partition(" passfile")[0]: each.superusers for each in found.databases.values()} == ours
    spans = {(each.table, each.by) for each in declared.partitioned.values()}
    assert {(each.table, each.by) for each in found.partitioned.values()} == spans


def test_units_and_services_of_the_host_are_found(written):
    declared, found, text = written
    assert found.systemd == declared.systemd
    unseen = {"shop-digest.service", "shop-labels.service", "shop-notes.service"}
    assert declared.units.keys() - found.units.keys() == unseen
    assert "# - units of the user managers of labels: " in text
    assert found.sshd == declared.sshd
    assert found.listening is not None
    assert found.pm2 is None
    assert not found.containers


def test_processes_without_a_unit_are_found(written):
    declared, found, text = written
    courier, server = found.processes["courier"], found.processes["http.server"]
    ours = declared.processes["courier"]
    assert (courier.command, courier.pidfile, courier.user) == (ours.command, ours.pidfile, ours.user)
    assert (server.command, server.user, server.listens) == ("python3 -m http.server *", "ops", [8050])
    assert len(found.processes) == 2
    assert "# confirm: courier has no unit of its own, cron.service started it" in text
    assert "secret" not in text


def test_open_ports_are_found(written):
    declared, found, _ = written
    ours = {each.port for each in declared.ports.values() if each.address != "127.0.0.1"}
    assert {each.port for each in found.ports.values()} >= ours


def test_logs_of_other_users_are_found_or_named_as_unseen(written):
    declared, found, text = written
    formats = {each.path for each in found.logs.values()}
    missing = {each.path for each in declared.logs.values()} - formats
    assert not missing or "open logs of" in text.partition("# Not seen:")[2]


def test_endpoints_are_found_or_named_as_unseen(written):
    declared, found, text = written
    unseen = text.partition("# Not seen:")[2]
    urls = {each.url for each in found.endpoints.values()}
    assert declared.endpoints["health"].url in urls
    assert "http://shop.lab.test/" in urls
    assert "https://shop.lab.test/, which certificate not trusted" in unseen


def test_what_was_not_compared_is_of_the_operator(written):
    declared, _, _ = written
    compared = {"transport", "databases", "partitioned", "systemd", "sshd", "listening", "ports", "logs", "endpoints"}
    compared |= {"units", "processes", "log_folders", "mounts"}
    assert declared.model_fields_set - compared <= OF_THE_OPERATOR
