"""Judgements on vector indexes and their recall, without a server."""

from math import inf, sqrt

import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.core.limits import Estimate
from opsproof.facts.vector_indexes import Recall, VectorRecalls
from opsproof.postgres.connection import Result
from tests.facts.vectors import NAME, declared, index


def test_unused_index_without_a_filter_is_a_fault():
    recall = Recall((), 10, (), (), exact=500, usable=True)
    assert not recall.is_served(NAME, declared())


def test_outdated_function_is_unknown():
    rows = {"rows": 20000, "found": [10], "there": [10], "indexes": [NAME], "compared_by": []}
    with pytest.raises(MeasurementError, match=r"outdated: run the SQL of .*--show=recall\.sql"):
        VectorRecalls().parse(Result([[rows]]), declared())


def answer(**fields):
    usual = {"rows": 20000, "found": [10, 9], "there": [10, 10], "indexes": [NAME], "compared_by": []}
    usual |= {"exact": 0, "usable": False}
    return Result([[{**usual, **fields}]])


def test_row_without_neighbours_is_skipped():
    assert VectorRecalls().parse(answer(found=[10, 0], there=[10, 0]), declared()).shares == (1.0,)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"rows": 999}, MeasurementError),
        ({"found": [11]}, ValueError),
        ({"found": [11, 10]}, OutputError),
        ({"found": [-1, 10]}, OutputError),
    ],
)
def test_more_found_than_existing_neighbours_raises(fields, error):
    with pytest.raises(error):
        VectorRecalls().parse(answer(**fields), declared())


def test_index_used_by_the_comparison_has_no_recall():
    recall = Recall((1.0,) * 100, 10, (NAME,), (NAME,))
    with pytest.raises(MeasurementError, match="was used for the exact search too, so recall is unknown"):
        recall.through(NAME, declared())


def test_evidence_has_recall_and_sample_size():
    recall = Recall((1.0,) * 90 + (0.9,) * 10, 10, (NAME,), ())
    assert recall.evidence == [
        "99 % of the nearest 10 were found, between 98.2 % and 99.5 % with 95 % confidence",
        "100 rows were sampled, 90 with full recall",
    ]


@pytest.mark.parametrize(
    ("lists", "rows", "ratio"),
    [(100, 100_000, 1), (100, 20_000, 5), (10, 100_000, 0.1), (1000, 1_000_000, 1), (2000, 4_000_000, 1)],
)
def test_list_count_is_judged_by_row_count(lists, rows, ratio):
    assert index(lists=lists, rows=rows).lists_ratio == pytest.approx(ratio)


def test_default_list_count_is_100():
    assert index(lists=None).lists_ratio == 1


def test_list_count_is_unknown_for_few_rows():
    with pytest.raises(MeasurementError, match="999 rows are too few"):
        _ = index(rows=999).lists_ratio


@pytest.mark.parametrize(
    ("library", "word"),
    [
        ("0.5.1", "vulnerable"),
        ("0.8.1", "vulnerable"),
        ("0.8.2", "outdated"),
        ("0.8.6", "current"),
        ("0.10", "current"),
    ],
)
def test_release_is_judged_by_later_fixes(library, word):
    assert index(library=library).release == word


def test_hnsw_build_memory_equals_disk_size():
    assert index(method="hnsw", lists=None, size_bytes=32 * 2**20).build_memory == 50


def test_age_and_new_rows_come_from_earlier_runs():
    sightings = {"build": [Counter(6, 0, 400), Counter(7, 0, 700)]}
    inserts = {"rows inserted": [Counter(50_000, 0, 400), Counter(120_000, 0, 700)]}
    assert index().age_s(sightings) == Estimate(300, 600, "built between two runs")
    new = index().new_rows({**sightings, **inserts})
    assert (new.low, new.high) == (30, 100)
    unknown = index().new_rows({"build": [], "rows inserted": []})
    assert (unknown.low, unknown.high) == (0, 100)
    assert index().age_s({"build": []}).high == inf


def test_readings_feed_age_and_new_rows():
    assert set(index().readings) == {"build", "rows inserted"}
    assert index().readings["build"].value == 7
    assert sqrt(index().readings["build"].now) == sqrt(1000)
