"""On the docker lab, init finds every table of the hand-written inventory, or lists the table as unseen."""

import pytest

from opsproof.command.main import main
from opsproof.inventory.load import load

OF_THE_OPERATOR = {"transport", "limits", "rotation", "docker"}
"""Tables of intentions; a remark names the settings of pm2-logrotate."""


@pytest.fixture(scope="module")
def written(docker_lab, tmp_path_factory):
    """The hand-written host, and the text and the host that init writes."""
    folder = tmp_path_factory.mktemp("init")
    (declared,) = load(docker_lab.inventory(folder / "lab.toml")).hosts.values()
    database, path = declared.databases["metachat"], folder / "new.toml"
    words = [f"--dsn={database.dsn}", f"--password-file={database.password_file}", f"--into={path}"]
    assert main(["init", declared.transport, *words]) == 0
    (found,) = load(path).hosts.values()
    return declared, found, path.read_text(encoding="utf-8")


def test_users_for_the_application_and_docker_are_found(written):
    declared, found, _ = written
    assert (found.run_as, found.docker_as) == (declared.run_as, declared.docker_as)


def test_processes_logs_and_mounts_are_found(written):
    declared, found, text = written
    assert found.pm2.home == declared.pm2.home
    assert found.processes.keys() >= declared.processes.keys()
    formats = {each.path: [one.name for one in each.format] for each in found.logs.values()}
    assert {each.path: [one.name for one in each.format] for each in declared.logs.values()}.items() <= formats.items()
    assert found.log_folders.keys() >= declared.log_folders.keys()
    assert found.mounts.keys() >= {name for name, each in declared.mounts.items() if each.mountpoint}
    assert found.systemd == declared.systemd
    assert found.sshd == declared.sshd
    assert "pm2-logrotate runs: declare its settings under rotation" in text


def test_endpoints_are_found(written):
    declared, found, _ = written
    seen = {(each.url, each.answer): each for each in found.endpoints.values()}
    for endpoint in declared.endpoints.values():
        url = endpoint.url.replace("/health", "/") if endpoint.answer == "redirect" else endpoint.url
        assert seen[url, endpoint.answer].headers == endpoint.headers


def test_containers_and_their_services_are_found(written):
    declared, found, text = written
    assert found.containers.keys() >= declared.containers.keys()
    assert found.broker == declared.broker
    assert found.caches == declared.caches
    assert "# - the queues of RabbitMQ: a table under queues" in text


def test_database_is_found_with_its_contents(written):
    declared, found, _ = written
    (database,) = found.databases.values()
    wanted = declared.databases["metachat"]
    for key in ("dsn", "password_file", "container", "superusers"):
        assert getattr(database, key) == getattr(wanted, key)
    assert {each.table for each in found.partitioned.values()} == {each.table for each in declared.partitioned.values()}
    for name, index in declared.vector_indexes.items():
        seen = found.vector_indexes[name]
        keys = ("table", "column", "method", "operator")
        assert [getattr(seen, key) for key in keys] == [getattr(index, key) for key in keys]


def test_backups_are_found_or_named_as_unseen(written):
    declared, found, text = written
    for name, backup in declared.backups.items():
        seen = found.backups.get(name)
        assert seen is None or (seen.folder, seen.database) == (backup.folder, backup.database)
        assert seen is not None or f"the backups in {backup.folder}, which is empty" in text


def test_every_declared_table_is_compared(written):
    declared, _, _ = written
    compared = {"run_as", "docker_as", "pm2", "processes", "logs", "log_folders", "mounts", "systemd", "sshd"}
    compared |= {"endpoints", "containers", "broker", "queues", "caches", "databases", "partitioned"}
    compared |= {"vector_indexes", "backups"}
    assert declared.model_fields_set - compared <= OF_THE_OPERATOR
