"""Distribution of hosts to xdist workers."""

import pytest

from opsproof.round.workers import HostScheduling, shares

HOSTS = ["vps", "vps-00", "vps-00-b", "db"]


@pytest.mark.parametrize(
    ("workers", "dealt"),
    [
        (1, [HOSTS]),
        (2, [["vps", "vps-00-b"], ["vps-00", "db"]]),
        (3, [["vps", "db"], ["vps-00"], ["vps-00-b"]]),
        (9, [["vps"], ["vps-00"], ["vps-00-b"], ["db"]]),
    ],
)
def test_hosts_are_distributed_in_turn_and_no_share_is_empty(workers, dealt):
    assert shares(HOSTS, workers) == dealt


@pytest.fixture
def unit():
    """A function that returns the scheduling unit of a test, with a share per host."""
    scheduling = HostScheduling.__new__(HostScheduling)
    scheduling._units = {host: host for host in HOSTS}
    return scheduling._split_scope


@pytest.mark.parametrize(
    ("test", "host"),
    [
        ("test_load_is_within_limit[vps]", "vps"),
        ("test_disk_has_free_space[vps-/]", "vps"),
        ("test_disk_has_free_space[vps-00-/data]", "vps-00"),
        ("test_disk_has_free_space[vps-00-b-/data[1]]", "vps-00-b"),
        ("test_disk_has_free_space[vps-00]", "vps-00"),
        ("test_process_is_online[db-meta-chat-api]", "db"),
        ("test_disk_has_free_space[other-/]", "checks/disks/test_disks.py::test_disk_has_free_space[other-/]"),
        ("test_of_no_host", "checks/disks/test_disks.py::test_of_no_host"),
    ],
)
def test_checks_of_a_host_belong_to_its_share(unit, test, host):
    assert unit(f"checks/disks/test_disks.py::{test}") == host
