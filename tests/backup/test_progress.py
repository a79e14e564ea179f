"""Progress by functions, on a real terminal and in lines."""

import time

import pytest

from lab.waiting import wait_until
from opsproof.action import Work, progress
from opsproof.backup.tables import DumpProgress
from opsproof.core.errors import MeasurementError, StepFailed
from opsproof.inventory.load import load
from tests.harness.watching import bars_in, lines_of, makes_sense, shown_by, told_in


def test_progress_lines_are_rate_limited(monkeypatch):
    said = []
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.05)
    with progress.reporting_bytes("dumped", 4_000_000, said.append, quiet=True) as report:
        report(1_000_000)
        time.sleep(0.06)
        report(2_000_000)
        report(3_000_000)
    assert said == ["  dumped: 2 MB of about 4 MB"]


def test_error_of_watched_work_is_raised_and_unknown_size_is_skipped():
    told, asked = [], []

    class Report:
        every_s = 0.01

        def __call__(self, done):
            told.append(done)

    def size():
        asked.append(1)
        if told:
            raise MeasurementError("gone")
        return 5.0

    def work():
        wait_until(lambda: len(asked) > 1, "the size is read again")
        raise StepFailed("the disk is full")

    with pytest.raises(StepFailed, match="the disk is full"):
        progress.watch(work, size, Report())
    assert told == [5.0]


def test_quick_work_without_a_terminal_prints_no_progress():
    said = []
    with progress.reporting_bytes("dumped", 10, said.append, quiet=False) as report:
        report(5)
    assert said == []


SEEN = 0.02
"""The lab is dumped within a second, so progress may be seen once only, early in the largest table."""


def words(site, **more):
    return site.words("backup", "--apply", inventory=site.inventory(**more))


def test_first_dump_is_measured_by_tables_and_later_dumps_by_file_size(site):
    first = told_in(lines_of(words(site)), "dumped")
    assert makes_sense(first, least=SEEN), first
    assert 20e6 < first[0][1] < 88e6  # tables without indexes; the database has 88 MB, the dump 28 MB
    later = told_in(lines_of(words(site)), "dumped")
    assert makes_sense(later), later
    assert 26e6 < later[0][1] < 30e6


def test_dump_and_copy_show_progress_bars_on_a_terminal(site, tmp_path, sshd):
    (tmp_path / "elsewhere").mkdir()
    target = sshd.replace("?", f"{tmp_path / 'elsewhere'}?", 1)
    text = shown_by(words(site, off_site=[target]))
    for what in ("dumped", "copied"):
        bars = bars_in(text, what)
        assert makes_sense(bars, least=SEEN), bars
    assert told_in(text.splitlines(), "dumped") == []


def test_current_table_counts_by_share_and_earlier_tables_in_full(site, script, tmp_path):
    tool = tmp_path / "bin" / "psql"
    host = load(site.inventory()).hosts["vps"].model_copy(update={"path": [str(tool.parent)]})
    answers = ["7\t1000\n2\t500\n3\t10", "7\t0.25", "7\t1.0", "", "2\t0.5", "9\t0.5", "3\t1", ""]
    said = []
    for answer in answers:
        script(tool, f"printf '{answer}'")
        if not said:
            tables = DumpProgress(Work(host.placed("vps", ()), print), host.backups["metachat"])
        said.append(tables.read_bytes() if said else tables.total_bytes)
    assert said == [1510, 250, 1000, 1000, 1250, 1250, 1510, 1510]
    script(tool, "echo no such view >&2; exit 1")
    with pytest.raises(MeasurementError, match="no such view"):
        tables.read_bytes()


def test_progress_without_table_data_falls_back_to_database_size(site, script, tmp_path):
    real = site.layout.bin / "psql"
    text = site.inventory().read_text().replace(f'["{site.layout.bin}"]', f'["{tmp_path}/bin", "{site.layout.bin}"]')
    path = tmp_path / "other.toml"
    path.write_text(text)
    script(tmp_path / "bin" / "psql", f'case "$*" in *_watch*) exit 1;; *) exec {real} "$@";; esac')
    told = told_in(lines_of(site.words("backup", "--apply", inventory=path)), "dumped")
    assert told[-1][0] > 1e6
    assert told[-1][1] == pytest.approx(88e6, rel=0.02)
