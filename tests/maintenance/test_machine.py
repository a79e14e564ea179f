"""What a session that builds an index may take, by what the host and the container have."""

from dataclasses import replace

import pytest

from opsproof.maintenance.indexes import Index
from opsproof.maintenance.machine import MachineResources, machine
from opsproof.maintenance.session import MaintenanceServer
from opsproof.transport.shell import Answer

MIB, GIB = 2**20, 2**30
SERVER = MaintenanceServer(180000, True, True, False, "/data", 64 * MIB, 2, 0, [])
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
        "a quarter, all processors but one", "a container's shared memory holds the centres", "it does not",
        "a graph fits", "not into a container", "never less than the server has it", "bounds", "nothing to share",
    ],
)  # fmt: skip
def test_a_build_takes_what_there_is(index, machine, expected):
    assert settings(index, machine) == expected


def test_vectors_beside_their_table_are_read_by_several():
    spare = MachineResources(4, 8 * GIB, 4 * GIB)
    assert spare.settings(IVFFLAT, SERVER)["min_parallel_table_scan_size"] == "0"
    assert "min_parallel_table_scan_size" not in spare.settings(BTREE, SERVER)


def test_on_a_machine_that_is_not_seen_the_server_decides():
    assert MachineResources().settings(IVFFLAT, SERVER) == {}


class Questions:
    """Answers in place of a host; the container's limits are the last two."""

    def __init__(self, *limits):
        self.limits = limits

    def ask(self, *commands):
        answers = [
            Answer(0, "4\n"),
            Answer(0, "MemTotal: 9 kB\nMemAvailable: 8388608 kB\n"),
            Answer(0, "Avail\n67108864\n"),
        ]
        return [*answers, *self.limits][: len(commands)]


class Way:
    """A client in a container or on the server's machine."""

    def __init__(self, container, sees=True):
        self.database, self.sees_server = type("Database", (), {"container": container}), sees

    def program(self, *words):
        return words


@pytest.mark.parametrize(
    ("way", "limits", "available"),
    [
        (Way(""), (), 8 * GIB),
        (Way("db"), (Answer(0, "max\n"), Answer(1, "", "No such file")), 8 * GIB),
        (Way("db"), (Answer(0, f"{GIB}\n"), Answer(1, "", "No such file")), GIB // 2),
        (Way("db"), (Answer(1, "", "No such file"), Answer(0, f"{4 * GIB}\n")), 2 * GIB),
    ],
    ids=["on the host", "without a limit", "with a limit", "with one of the older kind"],
)
def test_a_containers_limit_is_the_machines(way, limits, available):
    assert machine(Questions(*limits), way) == MachineResources(4, available, 64 * MIB)


def test_another_machine_is_not_measured():
    assert machine(Questions(), Way("", sees=False)) == MachineResources()
