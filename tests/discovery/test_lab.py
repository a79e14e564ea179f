"""On the lab, init finds every table of the hand-written inventory, or lists the table as unseen."""

import tomllib
from pathlib import PurePosixPath

import pytest

from opsproof.command.main import main
from opsproof.discovery import looking
from opsproof.inventory.load import load
from opsproof.postgres import dsn

OF_THE_OPERATOR = {"backups", "data", "rotation", "clock", "limits", "ports", "schedule", "jobs"}
"""Tables of intentions, invisible on a host."""


@pytest.fixture
def written(lab, tmp_path, capsys):
    """The hand-written host, and the text and the host that init writes."""
    inventory = lab.inventory(tmp_path / "lab.toml")
    (declared,) = load(inventory).hosts.values()
    path = tmp_path / "new.toml"
    assert main(["init", "local://", f"--dsn={declared.databases['metachat'].dsn}", f"--into={path}"]) == 0
    capsys.readouterr()
    (found,) = load(path).hosts.values()
    return declared, found, path.read_text(encoding="utf-8")


def test_resources_of_the_lab_are_found(written):
    declared, found, text = written
    assert found.pm2.home == declared.pm2.home
    assert found.resources("process").keys() >= declared.resources("process").keys()
    formats = {each.path: [one.name for one in each.format] for each in found.logs.values()}
    assert {each.path: [one.name for one in each.format] for each in declared.logs.values()}.items() <= formats.items()
    assert found.log_folders.keys() >= declared.log_folders.keys()
    assert {each.table for each in found.partitioned.values()} == {each.table for each in declared.partitioned.values()}
    (database,) = found.databases.values()
    assert database.superusers == declared.databases["metachat"].superusers
    assert "/" in found.mounts
    assert found.listening == declared.listening
    for name, index in declared.vector_indexes.items():
        seen = found.vector_indexes[name]
        assert (seen.table, seen.column, seen.method, seen.operator) == (
            index.table, index.column, index.method, index.operator,
        )  # fmt: skip
        assert f"confirm: {name} the application may set probes itself, which is not visible" in text


def test_health_checks_of_the_lab_are_found_with_their_header(written):
    declared, found, _ = written
    seen = {each.url: each for each in found.endpoints.values()}
    for endpoint in (each for each in declared.endpoints.values() if not each.is_outside):
        assert seen[endpoint.url].answer == endpoint.answer
        assert seen[endpoint.url].headers == endpoint.headers


def test_backups_elsewhere_are_not_guessed(written):
    declared, found, _ = written
    assert all(not each.folder.startswith("/var/backups") for each in declared.backups.values())
    assert found.backups == {}


def test_plain_processes_are_named_as_unseen(written):
    declared, _, text = written
    for process in declared.resources("plain_process").values():
        assert f"the service on port {process.listens[0]}: " in text


def test_given_database_is_not_listed_as_unseen(written):
    declared, _, text = written
    assert f"the service on port {dsn.server(declared.databases['metachat'].dsn)[1]}:" not in text


def test_no_limit_comes_from_the_host(written, repository):
    _, _, text = written
    shipped = tomllib.loads((repository / "inventory" / "metachat.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(text)["limits"] == shipped["limits"]
    (host,) = tomllib.loads(text)["hosts"].values()
    given = [each for name, each in host["logs"].items() if each.pop("limits", None) == looking.OF_ERRORS]
    names = {PurePosixPath(each["path"]).name for each in given}
    assert names >= {"api-error.log", "worker-error.log"}
    assert all(each.endswith("-error.log") for each in names)
    assert "limits" not in str(host)


def test_what_was_not_compared_is_of_the_operator(written):
    declared, _, _ = written
    compared = {"pm2", "processes", "logs", "log_folders", "endpoints", "mounts", "databases", "partitioned"}
    compared |= {"listening", "vector_indexes", "transport", "path"}
    assert declared.model_fields_set - compared <= OF_THE_OPERATOR
