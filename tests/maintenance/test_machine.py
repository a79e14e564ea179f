"""Build settings for the resources of host and container."""

from dataclasses import replace

import pytest

from opsproof.maintenance.indexes import Index
from opsproof.maintenance.machine import MachineResources, machine
from opsproof.maintenance.session import MaintenanceServer
from opsproof.transport.shell import Answer

MIB, GIB = 2**20, 2**30
SERVER = MaintenanceServer(180000, True, True, False, "/data", 64 * MIB, 2, 0, [], [])
IVFFLAT = Index(
    1, "public", "vectors", "public", "rows", "ivfflat", 8, 9, 20000.0, True, True, False, False, 100, 1024, None,
    False, None, False, "owner", True,
)  # fmt: skip
HNSW = replace(IVFFLAT, method="hnsw", lists=None)
BTREE = replace(IVFFLAT, method="btree", lists=None, dimensions=None)


def settings(index, machine):
    found = machine.settings(index, SERVER)
    return int(found["maintenance_work_mem"].removesuffix("kB")) * 1024, int(found["max_parallel_maintenance_workers"])


@pytest.mark.parametrize(
    ("index", "machine", "expected"),
    [
        (IVFFLAT, MachineResources(4, 8 * GIB, 4 * GIB), (2 * GIB, 3)),
        (IVFFLAT, MachineResources(4, 8 * GIB, 64 * MIB), (2 * GIB, 3)),
        (replace(IVFFLAT, lists=20000), MachineResources(4, 8 * GIB, 64 * MIB), (2 * GIB, 0)),
        (HNSW, MachineResources(4, 8 * GIB, 4 * GIB), (2 * GIB, 3)),
        (HNSW, MachineResources(4, 8 * GIB, 64 * MIB), (2 * GIB, 0)),
        (BTREE, MachineResources(1, 100 * MIB, 64 * MIB), (64 * MIB, 2)),
        (BTREE, MachineResources(64, 1000 * GIB, 64 * MIB), (8 * GIB, 8)),
        (BTREE, MachineResources(2, 8 * GIB, 0), (2 * GIB, 0)),
    ],
    ids=[
        "a quarter, all but 1 processor", "centroids fit in container", "centroids do not fit in container",
        "graph fits", "graph does not fit", "at least the server's settings", "upper bounds", "no shared memory",
    ],
)  # fmt: skip
def test_build_settings_use_available_resources(index, machine, expected):
    assert settings(index, machine) == expected


def test_toasted_vectors_are_scanned_in_parallel():
    spare = MachineResources(4, 8 * GIB, 4 * GIB)
    assert spare.settings(IVFFLAT, SERVER)["min_parallel_table_scan_size"] == "0"
    assert "min_parallel_table_scan_size" not in spare.settings(BTREE, SERVER)


def test_inaccessible_machine_keeps_server_settings():
    assert MachineResources().settings(IVFFLAT, SERVER) == {}


@pytest.mark.parametrize(
    ("version_num", "superuser", "firing"),
    [
        (180000, True, []),
        (160000, True, ["always", "replica"]),
        (180000, False, ["always", "origin"]),
        (160000, False, ["always", "origin"]),
    ],
)
def test_event_triggers_fire_unless_role_may_turn_them_off(version_num, superuser, firing):
    triggers = [["always", "A", ""], ["origin", "O", ""], ["replica", "R", ""]]
    server = replace(SERVER, version_num=version_num, superuser=superuser, event_triggers=triggers)
    assert server.firing == firing


class FakeHost:
    """A fake host; the container's limits are the last two answers."""

    def __init__(self, *limits):
        self.limits = limits

    def ask(self, *commands):
        answers = [
            Answer(0, "4\n"),
            Answer(0, "MemTotal: 9 kB\nMemAvailable: 8388608 kB\n"),
            Answer(0, "Avail\n67108864\n"),
        ]
        return [*answers, *self.limits][: len(commands)]


class FakeClient:
    """A fake client in a container or on the server's machine."""

    def __init__(self, container, sees=True):
        self.database, self.sees_server = type("Database", (), {"container": container}), sees

    def program(self, *words):
        return words


@pytest.mark.parametrize(
    ("client", "limits", "available"),
    [
        (FakeClient(""), (), 8 * GIB),
        (FakeClient("db"), (Answer(0, "max\n"), Answer(1, "", "No such file")), 8 * GIB),
        (FakeClient("db"), (Answer(0, f"{GIB}\n"), Answer(1, "", "No such file")), GIB // 2),
        (FakeClient("db"), (Answer(1, "", "No such file"), Answer(0, f"{4 * GIB}\n")), 2 * GIB),
    ],
    ids=["on the host", "without a limit", "with a limit", "with a cgroup v1 limit"],
)
def test_container_memory_limit_applies(client, limits, available):
    assert machine(FakeHost(*limits), client) == MachineResources(4, available, 64 * MIB)


def test_remote_machine_is_not_measured():
    assert machine(FakeHost(), FakeClient("", sees=False)) == MachineResources()
