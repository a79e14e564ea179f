import json
import os

import pytest

from opsproof.core.errors import Absent, HostUnreachable, InventoryError, MeasurementError, OutputError
from opsproof.inventory.hosts import Host
from opsproof.inventory.load import Inventory, load
from opsproof.postgres.connection import Result
from opsproof.round.gathering import Gathering, Recording, read, write
from opsproof.transport.shell import Answer


def host(**fields):
    return Host.model_validate({"transport": "local://", **fields}).placed("vps", ())


@pytest.fixture
def gathering(tmp_path):
    """A gathering for a host."""
    opened = []

    def gathering(target, *keys, saved=None):
        path = None
        if saved is not None:
            path = tmp_path / "facts.json"
            write(path, saved)
        inventory = Inventory(tmp_path / "inventory.toml", {target.name: target})
        opened.append(Gathering(inventory, {target.name: set(keys)}, path))
        return opened[-1]

    yield gathering
    for each in opened:
        each.close()


MOUNTS = {"/": {}, "/nowhere": {}}
UNREACHABLE = "ssh://nobody@127.0.0.1:1"


def test_planned_facts_take_one_round_trip(gathering):
    found = gathering(host(mounts=MOUNTS), ("memory", ""), ("disks", "/"))
    assert 0 < found.value("memory", "vps").available <= 100
    assert found.value("disks", "vps")["/"].target == "/"
    recording = found.recording("vps")
    assert sorted(recording.answers) == ["disks /", "memory"]
    assert recording.round_trips == {"shell": 1, "sql": 0}


def test_commands_and_queries_of_a_host_take_one_round_trip_each(gathering, postgres):
    database = postgres.database().model_dump(exclude_unset=True, exclude={"limits"}) | {"timeout": "5s"}
    keys = [("load", ""), *((fact, "db") for fact in ("database_pings", "database_connections"))]
    found = gathering(host(databases={"db": database}), *keys)
    assert found.value("database_pings", "vps")["db"].refusal == ""
    assert found.value("database_connections", "vps")["db"].used > 0
    assert found.value("load", "vps") >= 0
    assert found.recording("vps").round_trips == {"shell": 1, "sql": 1}


def test_resources_in_a_database_share_its_connection(gathering, postgres):
    database = postgres.database().model_dump(exclude_unset=True, exclude={"limits"}) | {"timeout": "5s"}
    index = {"database": "db", "table": "a.b", "column": "c", "method": "ivfflat", "operator": "<=>"}
    target = host(databases={"db": database, "spare": database}, vector_indexes={"one": index, "two": index})
    keys = [("vector_indexes", "one"), ("vector_indexes", "two"), ("database_pings", "db")]
    found = gathering(target, *keys)
    for name in ("one", "two"):
        with pytest.raises(Absent, match=f"^vps, {name}: a.b has no vector index of the declared name"):
            _ = found.value("vector_indexes", "vps")[name]
    assert found.recording("vps").round_trips == {"shell": 0, "sql": 1}


def test_shortest_query_is_timed_before_slower_ones(gathering, postgres, monkeypatch):
    from opsproof.facts.databases import DatabaseConnections

    slow = DatabaseConnections.sql.replace("backend_type =", "pg_sleep(0.05) IS NOT NULL AND backend_type =")
    monkeypatch.setattr(DatabaseConnections, "sql", slow)
    database = postgres.database().model_dump(exclude_unset=True, exclude={"limits"}) | {"timeout": "5s"}
    found = gathering(
        host(databases={"db": database}), *((f, "db") for f in ("database_pings", "database_connections"))
    )
    results = found.recording("vps").results
    assert results["database_connections db"].elapsed_s - results["database_pings db"].elapsed_s > 0.05


def test_missing_resource_is_absent_and_the_rest_is_measured(gathering):
    disks = gathering(host(mounts=MOUNTS), ("disks", "/"), ("disks", "/nowhere")).value("disks", "vps")
    assert disks["/"].used > 0
    with pytest.raises(Absent, match=r"^vps: /nowhere is declared, but does not exist$"):
        disks["/nowhere"]
    with pytest.raises(Absent):
        disks["/not-in-the-plan"]


def test_saved_answers_are_read_unchanged(gathering, tmp_path):
    found = gathering(host(mounts=MOUNTS), ("memory", ""), ("disks", "/"), ("disks", "/nowhere"))
    before = found.value("memory", "vps")
    write(tmp_path / "saved.json", found.done())
    assert read(tmp_path / "saved.json") == found.done()
    away = host(mounts=MOUNTS, transport=UNREACHABLE)
    assert gathering(away, ("memory", ""), saved=found.done()).value("memory", "vps") == before


def test_all_fields_of_an_answer_are_saved(tmp_path):
    answer = Answer(1, "o\x00ä\ufffd", "e", "timeout", 1.5, 2.0, 3.0, 4.0)
    result = Result([[1, "two", None, [3]]], "e", "r", 0.5)
    recordings = {"vps": Recording({"a b": answer}, {"q": result}, "why", {"shell": 1, "sql": 2})}
    write(tmp_path / "saved.json", recordings)
    assert read(tmp_path / "saved.json") == recordings


def test_saved_facts_are_private(tmp_path):
    write(tmp_path / "saved.json", {})
    assert (tmp_path / "saved.json").stat().st_mode & 0o777 == 0o600


def test_unreachable_host_raises(gathering):
    found = gathering(host(transport=UNREACHABLE), ("memory", ""), ("load", ""))
    for fact in ("memory", "load"):
        with pytest.raises(HostUnreachable, match=r"^vps: .*Connection refused$"):
            found.value(fact, "vps")


def test_unreachable_host_makes_each_resource_unknown(gathering):
    disks = gathering(host(transport=UNREACHABLE, mounts=MOUNTS), ("disks", "/")).value("disks", "vps")
    with pytest.raises(HostUnreachable):
        disks["/"]
    with pytest.raises(HostUnreachable):
        disks.require("/")


def test_fact_missing_in_saved_facts_is_unknown(gathering):
    found = gathering(host(mounts=MOUNTS), ("memory", ""), ("disks", "/"), saved={"vps": Recording()})
    with pytest.raises(MeasurementError, match=r"^vps: memory is not in the saved facts$"):
        found.value("memory", "vps")
    with pytest.raises(MeasurementError, match=r"^vps, /: disks is not in the saved facts$"):
        found.value("disks", "vps")["/"]


def test_host_missing_in_saved_facts_is_unknown(gathering):
    found = gathering(host(), ("memory", ""), saved={"other": Recording()})
    with pytest.raises(MeasurementError, match=r"^vps: not in the saved facts$"):
        found.value("memory", "vps")


@pytest.mark.parametrize(
    ("fact", "stdout"),
    [
        ("memory", "MemTotal: 0 kB\nMemAvailable: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"),
        ("load", "0.1 0.1 0.1 1/2 3\n"),
    ],
)
def test_nonsense_figures_are_unknown(gathering, fact, stdout):
    found = gathering(host(), (fact, ""), saved={"vps": Recording({fact: Answer(0, stdout)})})
    with pytest.raises(OutputError, match=f"^vps, {fact} cannot be read: ZeroDivisionError"):
        found.value(fact, "vps")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"vps": 5}', '{"vps": {}}', '{"vps": {"answers": {"memory": {"x": 1}}, "results": {}}}', "\x00"],
)
def test_foreign_file_of_saved_facts_raises(tmp_path, text):
    path = tmp_path / "saved.json"
    path.write_text(text)
    with pytest.raises(InventoryError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: not a file of saved facts: ")
    assert "\n" not in str(caught.value)


def test_missing_file_of_saved_facts_raises(tmp_path):
    with pytest.raises(InventoryError, match=r"not a file of saved facts: .*No such file"):
        read(tmp_path / "saved.json")


def test_hosts_are_queried_concurrently(tmp_path, script):
    # The commands of both hosts wait for each other, so that sequential queries would time out.
    for name, other in (("a", "b"), ("b", "a")):
        wait = f"touch {tmp_path}/{name}; while [ ! -e {tmp_path}/{other} ]; do sleep 0.05; done; exec /bin/cat"
        script(tmp_path / f"bin-{name}" / "cat", f'{wait} "$@"')
    tables = "".join(f'[hosts.{n}]\ntransport = "local://"\npath = ["{tmp_path}/bin-{n}"]\n' for n in "ab")
    path = tmp_path / "inventory.toml"
    path.write_text(tables)
    gathering = Gathering(load(path), {name: {("memory", "")} for name in "ab"})
    gathering.start("ab")
    assert [gathering.value("memory", name).available > 0 for name in "ab"] == [True, True]


def test_saved_facts_are_indented_json(tmp_path):
    write(tmp_path / "saved.json", {"vps": Recording({"memory": Answer(0, "MemTotal")})})
    text = (tmp_path / "saved.json").read_text()
    assert json.loads(text)["vps"]["answers"]["memory"]["stdout"] == "MemTotal"
    assert text.count(os.linesep) > 10
