"""Log rotation: the Perl programs on the local machine, and parsing of their output."""

import gzip
import json
import os
import time

import pytest

from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts.rotation import FolderSizes, Pm2LogSizes, RotatedFiles, RotationSettings
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.inventory.resources import LogFolder, Pm2, Rotation
from opsproof.transport.shell import Answer, run

HOUR, DAY = 3600, 86400


@pytest.fixture
def host(tmp_path):
    return Host(transport="local://", pm2=Pm2(home=str(tmp_path))).placed("vps", ())


@pytest.fixture
def put(tmp_path):
    """Writes a file with a single line as old as the file."""

    def put(name, age_s=0.0, packed=None, lines=1):
        path, moment = tmp_path / name, time.gmtime(time.time() - age_s)
        content = (time.strftime("%Y-%m-%d %H:%M:%S +00:00: a line\n", moment) * lines).encode()
        path.write_bytes(gzip.compress(content) if (name.endswith(".gz") if packed is None else packed) else content)
        os.utime(path, 2 * (time.time() - age_s,))
        return path

    return put


@pytest.fixture
def rotated(host, tmp_path):
    def rotated(path="api-out.log"):
        log = Log(path=str(tmp_path / path), format="text")
        (answer,) = run(host, (RotatedFiles().command(host, "api-out", log),))
        return RotatedFiles().parse(answer, "api-out", log)

    return rotated


def test_rotated_files_of_other_logs_are_skipped(put, rotated):
    put("api-out.log")
    put("api-out__2026-11-23_00-00-00.log.gz", 40 * HOUR)
    put("api-out__2026-11-24_00-00-00.log", 16 * HOUR)
    for other in ("my-api-out__2026-11-24_00-00-00.log", "api-out-old__2026-11-24_00-00-00.log",
                  "api-out__notes.log", "api-out__2026-11-24_00-00-00.log.gz.part", "api-outX.log"):  # fmt: skip
        put(other, 90 * DAY, packed=False)
    files = rotated().files
    assert [each.ending for each in files] == ["__2026-11-23_00-00-00.log.gz", "__2026-11-24_00-00-00.log"]
    assert [each.packed for each in files] == [True, False]
    assert rotated().oldest_s == pytest.approx(40 * HOUR, abs=5)
    assert rotated().covers_s == pytest.approx(40 * HOUR, abs=5)


@pytest.mark.parametrize("name", ["api-out.log.1", "api-out.log-20261123.gz", "api-out-2026-11-23.log"])
def test_rotated_files_of_every_program_are_found(put, rotated, name):
    put("api-out.log")
    put(name, 40 * HOUR)
    found = rotated()
    assert [each.ending for each in found.files] == [name.removeprefix("api-out")]
    assert [found.oldest_s, found.covers_s] == pytest.approx([40 * HOUR, 40 * HOUR], abs=5)


def test_compression_is_judged_by_bytes_not_name(put, rotated):
    put("api-out.log")
    put("api-out__2026-11-23_00-00-00.log", packed=True)
    assert [each.packed for each in rotated().files] == [True]
    assert rotated().plain == []
    assert "compressed" in rotated().evidence[0]


@pytest.mark.parametrize(
    ("hours", "lines", "overdue_h"),
    [
        ((1, 20), 1, 1),
        ((30, 40), 1, 30),
        ((30, 20), 1, 20),
        ((30, None), 1, 30),
        ((30, 100), 0, 0),
        ((30, None), 0, 0),
    ],
    ids=["quiet for days", "not rotated", "a minute late", "never rotated", "empty", "empty and never rotated"],
)
def test_overdue_time_uses_first_line_or_newest_file(put, rotated, hours, lines, overdue_h):
    current_h, rotated_h = hours
    put("api-out.log", current_h * HOUR, lines=lines)
    if rotated_h is not None:
        put("api-out__2026-11-23_00-00-00.log.gz", rotated_h * HOUR)
    assert rotated().overdue_s == pytest.approx(overdue_h * HOUR, abs=5)


def test_log_without_dates_and_rotated_files_raises(put, rotated, tmp_path):
    (tmp_path / "api-out.log").write_text("without a date\n")
    with pytest.raises(ValueError, match="no dated line"):
        rotated()


def test_first_line_from_the_future_does_not_hide_missing_rotation(put, rotated):
    put("api-out.log", -90 * DAY)
    put("api-out.log.1", 40 * HOUR)
    assert rotated().overdue_s == pytest.approx(40 * HOUR, abs=5)


def test_folders_and_pipes_are_no_rotated_files(put, rotated, tmp_path):
    put("api-out.log")
    (tmp_path / "api-out.log.1").mkdir()
    os.mkfifo(tmp_path / "api-out.log.2")
    assert rotated().files == ()


def test_missing_log_is_not_overdue_and_missing_folder_is_absent(rotated):
    assert rotated().size_bytes is None
    assert rotated().covers_s == 0
    with pytest.raises(Absent, match="does not exist"):
        rotated("nowhere/api-out.log")


@pytest.fixture
def sizes(host, tmp_path):
    def sizes(folder=tmp_path):
        command = FolderSizes().command(host, str(folder), LogFolder())
        return FolderSizes().parse(run(host, (command,))[0], str(folder), LogFolder())

    return sizes


def test_folder_size_includes_subfolders(sizes, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name, size in (("a", 10), ("deep/b", 300), ("deep/er/c\nd", 2000)):
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "link").symlink_to("/")
    found = sizes()
    assert found.size_bytes == 2310
    assert found.largest == (("deep/er/c?d", 2000), ("deep/b", 300), ("a", 10))
    assert found.largest_bytes == 2000
    assert found.evidence[0] == "2 kB deep/er/c?d"


def test_empty_folder_has_size_0_and_missing_folder_is_absent(sizes, tmp_path):
    assert (sizes().size_bytes, sizes().largest_bytes) == (0, 0)
    with pytest.raises(Absent):
        sizes(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder_raises(sizes, tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(CommandError):
        sizes()


def test_only_pm2s_own_logs_are_measured(host, tmp_path):
    (tmp_path / "logs").mkdir()
    for name, size in (("pm2.log", 10), ("logs/module-out.log", 200), ("dump.pm2", 4000)):
        (tmp_path / name).write_bytes(b"x" * size)
    found = Pm2LogSizes().parse(run(host, (Pm2LogSizes().command(host),))[0], host)
    assert found.largest == (("logs/module-out.log", 200), ("pm2.log", 10))


DECLARED = {"max_size": "10M", "retain": "7", "compress": "true", "rotateInterval": "0 0 * * *"}


@pytest.fixture
def differences(host, tmp_path):
    def differences(text):
        (tmp_path / "module_conf.json").write_text(text)
        (answer,) = run(host, (RotationSettings().command(host, "", Rotation()),))
        assert "hunter2" not in answer.stdout + answer.stderr
        return RotationSettings().parse(answer, "", Rotation())

    return differences


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (DECLARED, []),
        ({**DECLARED, "retain": 7, "compress": True, "TZ": "UTC"}, []),
        ({**DECLARED, "retain": "30"}, ["retain is 30, not 7"]),
        ({"max_size": "10M"}, ["retain is not set, not 7", "compress is not set, not true",
                               "rotateInterval is not set, not 0 0 * * *"]),
        ({}, [f"{key} is not set, not {value}" for key, value in DECLARED.items()]),
    ],
)  # fmt: skip
def test_settings_are_compared_with_declaration(differences, settings, expected):
    others = {"module-db-v2": {"pm2-logrotate": {}}, "pm2-slack": {"url": "https://hunter2@example.org"}}
    assert differences(json.dumps({**others, "pm2-logrotate": settings, "token": "hunter2"})) == expected


@pytest.mark.parametrize("text", ["{}", '{"pm2-slack": {"url": "hunter2"}}'])
def test_a_module_without_settings_is_not_installed(differences, text):
    with pytest.raises(Absent, match="not installed"):
        differences(text)


@pytest.mark.parametrize("text", ["", "hunter2", "[1]", '{"pm2-logrotate": "hunter2"}', '{"pm2-logrotate": {'])
def test_unreadable_settings_raise(differences, text):
    with pytest.raises((CommandError, OutputError)):
        differences(text)


def test_missing_settings_file_means_not_installed(host):
    (answer,) = run(host, (RotationSettings().command(host, "", Rotation()),))
    with pytest.raises(Absent, match="not installed"):
        RotationSettings().parse(answer, "", Rotation())


def test_missing_home_is_a_measurement_error(host):
    with pytest.raises(CommandError):
        RotationSettings().parse(Answer(1, "", "/home/deploy/.pm2: No such file or directory"), "", Rotation())
