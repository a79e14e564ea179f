import pytest

from opsproof.core.errors import Absent
from opsproof.facts.disks import Disk, Disks
from opsproof.inventory.resources import Mount
from opsproof.transport.shell import Answer


@pytest.fixture
def parse(recorded):
    return lambda name, path="/", status=0: Disks().parse(recorded(name, status), path, Mount())


@pytest.mark.parametrize(
    ("name", "target", "free_bytes", "inodes_used"),
    [
        ("df_tmpfs.txt", "/dev/shm", 25_273_294_848, 100 * 7 / 3_085_510),
        ("df_with_a_space.txt", "/tmp/mnt sp", 12_638_248_960, 100 / 3_085_510),
    ],
)
def test_figures_match_df(parse, name, target, free_bytes, inodes_used):
    disk = parse(name)
    assert (disk.target, disk.free_bytes) == (target, free_bytes)
    assert disk.inodes_used == pytest.approx(inodes_used)
    assert 0 <= disk.used < 1


def test_used_share_excludes_reserved_blocks(answer_of_df):
    disk = answer_of_df("/ 831 169 1000 10")
    assert disk == Disk("/", True, 83.1, 1.0, 169)


@pytest.mark.parametrize("itotal", ["-", "0"])
def test_file_system_without_inodes_uses_0_percent(answer_of_df, itotal):
    assert answer_of_df(f"/boot/efi 5 95 {itotal} {itotal}").inodes_used == 0


def test_file_system_without_free_space_is_full(answer_of_df):
    assert answer_of_df("/full 100 0 10 10") == Disk("/full", False, 100, 100, 0)


@pytest.fixture
def answer_of_df():
    head = "Mounted on Used Avail Inodes IUsed\n"
    return lambda line: Disks().parse(Answer(0, f"{head}{line}\n"), "/", Mount())


@pytest.mark.parametrize(
    ("path", "is_mounted"),
    [("/mnt/data", True), ("/mnt/data/", True), ("//mnt//./data", True), ("/mnt", False), ("/mnt/data/x", False)],
)
def test_mount_point_is_found_in_any_spelling(path, is_mounted):
    answer = Answer(0, "Mounted on Used Avail Inodes IUsed\n/mnt/data 1 999 100 10\n")
    assert Disks().parse(answer, path, Mount()).is_mounted is is_mounted


def test_root_is_mounted(answer_of_df):
    assert answer_of_df("/ 1 999 100 10").is_mounted


def test_file_system_of_size_zero_is_full(parse):
    assert parse("df_proc.txt").used == 100


def test_missing_path_is_absent(parse):
    with pytest.raises(Absent, match=r"^/data/nowhere is declared, but does not exist$"):
        parse("df_no_such_path.txt", "/data/nowhere", status=1)


@pytest.mark.parametrize("path", ["/", "-i", "--help", "/a b", "/'"])
def test_path_is_never_parsed_as_option(path):
    assert Disks().command(None, path, Mount()).argv[-2:] == ("--", path)
