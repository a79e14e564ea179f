"""The results of a run as JSON, and their schema."""

import json

import pytest
from pydantic import TypeAdapter

from opsproof.round.report.results import RunResults, schema
from tests.conftest import REPOSITORY

DISKS = "checks/disks"
EVERY_KIND = {"full": 831, "near": 750, "calm": 120, "mute": "echo broken >&2; exit 1"}
TEST = "test_disk_has_free_space[full-/data]"


@pytest.fixture
def written(estate, prove, tmp_path):
    """Runs checks of the disks, and returns the outcome and the path of the results."""
    path = tmp_path / "results.json"

    def written(*words, **disks):
        return prove(estate(**(disks or EVERY_KIND)), DISKS, f"--json={path}", *words), path

    return written


def read(path):
    """The document, valid by its schema."""
    text = path.read_text(encoding="utf-8")
    TypeAdapter(RunResults).validate_json(text, strict=True, extra="forbid")
    return json.loads(text)


def test_document_has_the_words_of_the_page(written):
    found, path = written()
    said = read(path)
    assert said["counts"] == {"failed": 1, "unknown": 3, "warned": 1, "waived": 0, "passed": 7}
    assert {each["test"]: each["verdict"] for each in said["checks"]} == found.verdicts
    assert (said["version"], said["round"], said["live"]) == (1, "selected", True)
    first = said["checks"][0]
    assert (first["test"], first["sentence"]) == (TEST, "/data: disk used 83.1 % (limit < 80 %)")
    assert first["measurements"][0] == {
        "metric": "disk used",
        "value": 83.1,
        "unit": "percent",
        "limit": "< 80 %",
        "source": "runbook",
    }
    assert first["remedy"]["command"] == "sudo du -ahx -d 2 /data | sort -rh | head -n 20"
    assert said["findings"][0]["causes"] == [{"host": "full", "test": TEST}]
    assert path.stat().st_mode & 0o777 == 0o600


def test_finding_of_several_hosts_is_one(written):
    _, path = written(one=831, two=850, three=900, calm=120)
    (finding,) = read(path)["findings"]
    assert [each["host"] for each in finding["causes"]] == ["one", "two", "three"]
    assert (finding["verdict"], finding["consequences"], finding["without"]) == ("failed", [], ["calm"])


def test_saved_answers_are_marked(written, tmp_path):
    facts = tmp_path / "facts.json"
    written(f"--save-facts={facts}")
    _, path = written(f"--facts={facts}")
    assert read(path)["live"] is False


def test_file_that_cannot_be_written_hides_no_finding(estate, prove, tmp_path):
    path = tmp_path / "none" / "results.json"
    found = prove(estate(calm=120), DISKS, f"--json={path}")
    assert (found.status, f"{path} cannot be written" in found.text) == (3, True)
    found = prove(estate(full=831), DISKS, f"--json={path}")
    assert (found.status, "FAILED  /data: disk used 83.1 % (limit < 80 %)" in found.text) == (1, True)


def test_schema_of_the_document_is_current():
    assert (REPOSITORY / "docs" / "results.schema.json").read_text(encoding="utf-8") == schema(), "run: make schema"
