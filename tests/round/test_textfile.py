"""Metrics for node_exporter: read by promtool and by node_exporter themselves."""

import re
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest

from opsproof.round.report.textfile import escaped, lines
from tests.harness import debian

DISKS = "checks/disks"
EVERY_KIND = {"full": 831, "near": 750, "calm": 120, "mute": "echo broken >&2; exit 1"}
HOSTILE = 'a"b\\c\nd\x1b[31m\u202e\udcff' + "x" * 500


@pytest.fixture
def written(estate, prove, tmp_path):
    """Runs checks of the disks, and returns the outcome and the path of the metrics."""
    path = tmp_path / "collected" / "opsproof.prom"
    path.parent.mkdir()

    def written(*words, **disks):
        return prove(estate(**(disks or EVERY_KIND)), DISKS, f"--prometheus-textfile={path}", *words), path

    return written


def values(text, family):
    found = re.findall(rf"^opsproof_{family}\{{(.*)\}} (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def check(text):
    """What promtool says of metrics."""
    words = [debian.program("promtool"), "check", "metrics"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_verdicts_values_and_limits_are_metrics(written):
    found, path = written()
    text = path.read_text()
    of_run = 'inventory="inventory.toml",round="selected"'
    of_check = f'{of_run},host="full",check="test_disk_has_free_space",resource="/data"'
    assert found.status == 1
    assert values(text, "check_verdict")[of_check] == 4
    assert values(text, "value_percent")[f'{of_check},metric="disk used"'] == 83.1
    limits = values(text, "limit_percent")
    assert limits[f'{of_check},metric="disk used",rule="must",sign="<"'] == 80
    assert limits[f'{of_check},metric="disk used",rule="should",sign="<"'] == 70
    assert values(text, "verdicts")[f'{of_run},host="mute",verdict="unknown"'] > 0
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]
    assert "broken" not in text, "no text of a host"


def test_promtool_accepts_the_metrics(written):
    _, path = written()
    assert check(path.read_text()) == (0, "")


def test_alerts_of_the_document_are_valid(repository, tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text(re.search(r"```yaml\n(.*?)```", (repository / "docs" / "results.md").read_text(), re.DOTALL)[1])
    words = [debian.program("promtool"), "check", "rules", rules]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, "2 rules found" in done.stdout) == (0, True), done.stderr


@contextmanager
def exporter(folder, port):
    words = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}"]
    words = [debian.program("prometheus-node-exporter"), *words, f"--web.listen-address=127.0.0.1:{port}"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            next(line for line in process.stderr if "Listening on" in line)
            yield f"http://127.0.0.1:{port}/metrics"
        finally:
            process.kill()


def test_node_exporter_reads_the_metrics(written, free_port):
    _, path = written()
    with exporter(path.parent, free_port) as url, urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    assert "node_textfile_scrape_error 0" in text
    (full,) = [
        value
        for labels, value in values(text, "check_verdict").items()
        if 'host="full"' in labels and 'check="test_disk_has_free_space"' in labels
    ]
    assert full == 4


def test_hostile_names_are_escaped_and_bounded():
    label = escaped(HOSTILE)
    assert label.startswith('a\\"b\\\\c\\nd\ufffd[31m\ufffd?x')
    assert len(label) < 210
    assert check("".join(lines([("opsproof_check_verdict", {"host": HOSTILE}, 1)]))) == (0, "")


def test_equal_labels_are_written_once():
    found = "".join(lines([("opsproof_check_verdict", {"host": "a"}, 1), ("opsproof_check_verdict", {"host": "a"}, 2)]))
    assert found.count('host="a"') == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prometheus-textfile=/x/opsproof.txt"], "does not end in .prom: node_exporter reads only such files"),
        (["--prometheus-textfile=/x/a.prom", "--facts=/none"], "--prometheus-textfile is not valid with --facts"),
    ],
)
def test_unusable_file_is_a_usage_error(estate, prove, words, said):
    found = prove(estate(calm=120), DISKS, *words)
    assert (found.status, said in found.text) == (4, True)


def test_folder_that_is_missing_changes_no_exit_status(estate, prove, tmp_path):
    path = tmp_path / "none" / "opsproof.prom"
    found = prove(estate(calm=120), DISKS, f"--prometheus-textfile={path}")
    assert (found.status, f"{path} cannot be written: No such file or directory" in found.text) == (0, True)


def test_interrupted_run_leaves_the_last_metrics(estate, prove, tmp_path, repository):
    own, path = tmp_path / "test_own.py", tmp_path / "opsproof.prom"
    own.write_text("def test_own(host):\n    raise KeyboardInterrupt\n")
    path.write_text("before")
    words = ["-c", f"{repository}/pyproject.toml", "-p", "opsproof.plugin", f"{repository}/{DISKS}", str(own)]
    found = prove(estate(calm=120), *words, f"--prometheus-textfile={path}")
    assert (found.status, path.read_text()) == (2, "before")
