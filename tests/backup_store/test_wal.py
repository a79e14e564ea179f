"""Gaps in a WAL archive: missing segments, intended gaps, and the recovery window."""

import pytest

from opsproof.backup_store import wal
from opsproof.backup_store.wal import SegmentRun, WalArchive

MIB = 2**20


def run(timeline, first, last=None):
    return SegmentRun(timeline, first, first if last is None else last)


@pytest.mark.parametrize(
    ("segment", "size", "number"),
    [
        ("000000010000000000000001", 16 * MIB, 1),
        ("0000000100000000000000FF", 16 * MIB, 255),
        ("000000010000000100000000", 16 * MIB, 256),
        ("000000020000000A00000003", 64 * MIB, 643),
        ("000000010000000100000003", 1024 * MIB, 7),
    ],
)
def test_segment_name_and_number_convert_both_ways(segment, size, number):
    assert wal.number(segment, size) == number
    assert wal.name(wal.timeline_of(segment), number, size) == segment


@pytest.mark.parametrize(
    ("known", "size"),
    [
        ([], 16 * MIB),
        ([("0/2000028", "000000010000000000000002")], 16 * MIB),
        ([("0/2000028", "000000010000000000000020")], 1 * MIB),
        ([("1/C0000028", "000000010000000100000003")], 1024 * MIB),
        ([("5/0", "000000010000000500000000"), ("5/4000028", "000000010000000500000001")], 64 * MIB),
    ],
)
def test_segment_size_is_derived_from_names(known, size):
    assert wal.size_of(known) == size


def test_inconsistent_names_raise_value_error():
    with pytest.raises(ValueError, match="the WAL segment size cannot be derived from"):
        wal.size_of([("0/2000028", "000000010000000000000099")])


def test_adjacent_and_overlapping_runs_are_merged():
    assert wal.joined([run(1, 5, 9), run(1, 1, 4), run(2, 10, 11), run(1, 8, 12), run(1, 14)]) == [
        run(1, 1, 12),
        run(1, 14),
        run(2, 10, 11),
    ]


SPANS = [run(1, 10, 11), run(1, 20), run(1, 30, 31)]


@pytest.mark.parametrize(
    ("runs", "spans", "missing", "since"),
    [
        ([run(1, 10, 40)], SPANS, [], 0),
        ([run(1, 1, 40)], SPANS, [], 0),
        ([run(1, 10, 14), run(1, 16, 40)], SPANS, [run(1, 15)], 1),
        ([run(1, 10, 24), run(1, 26, 40)], SPANS, [run(1, 25)], 2),
        ([run(1, 10, 34), run(1, 37, 40)], SPANS, [run(1, 35, 36)], None),
        ([run(1, 11, 40)], SPANS, [run(1, 10)], 1),
        ([run(1, 10, 30)], SPANS, [run(1, 31)], None),
        ([run(1, 10, 30), run(1, 32, 40)], SPANS, [run(1, 31)], None),
        ([run(1, 10, 11), run(1, 20, 40)], SPANS, [], 1),
        ([run(1, 10, 11), run(1, 20), run(1, 30, 40)], SPANS, [], 2),
        ([run(1, 10), run(1, 20), run(1, 30, 40)], SPANS, [run(1, 11)], 2),
        ([run(1, 10, 11), run(1, 20), run(1, 30, 33), run(1, 35)], SPANS, [run(1, 34)], None),
        ([run(1, 10, 32), run(2, 32, 40)], SPANS, [], 0),
        ([run(1, 10, 40), run(2, 25, 35)], SPANS, [], 0),
        ([run(1, 10, 31), run(2, 35, 40)], SPANS, [run(2, 32, 34)], None),
        ([run(1, 10, 32), run(2, 32, 33), run(2, 35, 40)], SPANS, [run(2, 34)], None),
        ([run(1, 10, 25), run(2, 25, 40)], [run(1, 10, 11), run(2, 30, 31)], [], 0),
        ([], [run(1, 10, 11)], [run(1, 10, 11)], None),
        ([run(1, 1, 5)], [], [], None),
    ],
    ids=[
        "whole", "older than the oldest", "an old gap", "a newer gap", "after the newest", "first segment missing",
        "last segment missing", "within the newest", "expired between two", "expired between all",
        "expired, and a segment too many", "expired, and a gap after", "a new timeline",
        "recovered to an earlier point", "a gap at the timeline switch", "a gap on the new timeline",
        "a backup on the new timeline", "an empty archive", "no backup",
    ],
)  # fmt: skip
def test_missing_wal_is_distinguished_from_expired_wal(runs, spans, missing, since):
    archive = WalArchive(runs, spans)
    assert archive.missing() == missing
    assert archive.whole_since() == since
