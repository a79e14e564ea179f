"""Segments of the write-ahead log in an archive: which there are, and which of those that should be are not.

A segment's name is three numbers of eight hexadecimal digits: the timeline, and its place in the log, split in two as
its size has it: https://www.postgresql.org/docs/current/wal-internals.html. Here its place is one number, counted from
the beginning of the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MIB = 2**20
USUAL_BYTES = 16 * MIB
SIZES = (USUAL_BYTES, *(size * MIB for size in (1, 2, 4, 8, 32, 64, 128, 256, 512, 1024)))
"""The sizes that initdb takes, the usual one first."""
_PER_LOG = 2**32


@dataclass(frozen=True, order=True)
class SegmentRun:
    """Segments of one timeline that follow one another, both ends included."""

    timeline: int
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


def position(lsn: str) -> int:
    """The place in the log, in bytes, of an LSN as PostgreSQL writes it."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def name(timeline: int, place: int, size: int) -> str:
    """The name of the segment at a place."""
    per_log = _PER_LOG // size
    return f"{timeline:08X}{place // per_log:08X}{place % per_log:08X}"


def timeline_of(segment: str) -> int:
    """The timeline that a segment's name begins with."""
    return int(segment[:8], 16)


def place(segment: str, size: int) -> int:
    """Where a segment is, by its name."""
    return int(segment[8:16], 16) * (_PER_LOG // size) + int(segment[16:24], 16)


def size_of(known: Iterable[tuple[str, str]]) -> int:
    """The size of segments in bytes, of which an LSN and the segment that holds it are `known`.

    Raises:
        ValueError: no size fits.
    """
    pairs = list(known)
    for size in SIZES:
        if all(place(segment, size) == position(lsn) // size for lsn, segment in pairs):
            return size
    raise ValueError(f"no size of segments fits {pairs}")


def joined(runs: Iterable[SegmentRun]) -> list[SegmentRun]:
    """The same segments in as few runs as can be, in their order."""
    found: list[SegmentRun] = []
    for run in sorted(runs):
        before = found[-1] if found else None
        if before and before.timeline == run.timeline and run.first <= before.last + 1:
            found[-1] = SegmentRun(run.timeline, before.first, max(before.last, run.last))
        else:
            found.append(run)
    return found


@dataclass(frozen=True)
class WalArchive:
    """The `runs` that are there, joined, and what each backup needs of the log, oldest backup first."""

    runs: list[SegmentRun]
    spans: list[SegmentRun]

    @property
    def begin(self) -> int:
        """The number of the oldest backup from which on the log should be there without a gap.

        pgBackRest can be told to keep the log for fewer backups than it keeps. Then it lets go all that lies between
        the older ones, and keeps what each needs for itself: where everything between two is gone, that was so meant.
        """
        for number, (span, after) in enumerate(zip(self.spans, self.spans[1:], strict=False)):
            if span.timeline != after.timeline or self._any(span.timeline, span.last + 1, after.first - 1):
                return number
        return len(self.spans) - 1

    def _any(self, timeline: int, first: int, last: int) -> bool:
        return any(run.timeline == timeline and run.first <= last and run.last >= first for run in self.runs)

    def missing(self) -> list[SegmentRun]:
        """The segments that should be there and are not."""
        if not self.spans:
            return []
        of_older = [
            gap for span in self.spans[: self.begin] for gap in self._gaps(span.timeline, span.first, span.last)
        ]
        return joined([*of_older, *self._since(self.spans[self.begin])])

    def _since(self, start: SegmentRun) -> list[SegmentRun]:
        spans = self.spans[self.begin :]
        timelines = sorted({run.timeline for run in (*self.runs, *spans) if run.timeline >= start.timeline})
        found: list[SegmentRun] = []
        reached = start.first - 1
        for timeline in timelines:
            ends = [run for run in (*self.runs, *spans) if run.timeline == timeline]
            first = start.first if timeline == start.timeline else min(reached + 1, *(run.first for run in ends))
            last = max(run.last for run in ends)
            found += self._gaps(timeline, first, last)
            reached = max(reached, last)
        return found

    def _gaps(self, timeline: int, first: int, last: int) -> list[SegmentRun]:
        gaps = []
        for run in (run for run in self.runs if run.timeline == timeline and run.last >= first):
            if run.first > first and first <= last:
                gaps.append(SegmentRun(timeline, first, min(run.first - 1, last)))
            first = max(first, run.last + 1)
        return [*gaps, SegmentRun(timeline, first, last)] if first <= last else gaps

    def whole_since(self) -> int | None:
        """The number of the oldest backup from which any later moment can be reached; None where there is none."""
        if not self.spans:
            return None
        missing = self.missing()
        for number in range(self.begin, len(self.spans)):
            span = self.spans[number]
            if not any((gap.timeline, gap.last) >= (span.timeline, span.first) for gap in missing):
                return number
        return None
