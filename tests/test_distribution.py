import pytest

from opsproof.distribution import HostScheduling


@pytest.fixture
def scope():
    """The unit of work of a test, among the hosts vps, vps-00 and vps-00-b."""
    scheduling = HostScheduling.__new__(HostScheduling)
    scheduling._hosts = ["vps-00-b", "vps-00", "vps"]
    return scheduling._split_scope


@pytest.mark.parametrize(
    ("test", "host"),
    [
        ("test_load_is_bearable[vps]", "vps"),
        ("test_disk_has_room[vps-/]", "vps"),
        ("test_disk_has_room[vps-00-/data]", "vps-00"),
        ("test_disk_has_room[vps-00-b-/data[1]]", "vps-00-b"),
        ("test_disk_has_room[vps-00]", "vps-00"),
        ("test_disk_has_room[other-/]", "checks/disks/test_disks.py::test_disk_has_room[other-/]"),
        ("test_of_no_host", "checks/disks/test_disks.py::test_of_no_host"),
    ],
)
def test_the_checks_of_a_host_are_one_unit_of_work(scope, test, host):
    assert scope(f"checks/disks/test_disks.py::{test}") == host
