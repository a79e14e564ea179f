"""WAL segments of an archive: names, runs and gaps.

A segment name has three numbers of eight hexadecimal digits: the timeline, and the segment number split in two by the
segment size: https://www.postgresql.org/docs/current/wal-internals.html. Here the segment number is one integer,
counted from the beginning of the WAL.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MIB = 2**20
USUAL_BYTES = 16 * MIB
SIZES = (USUAL_BYTES, *(size * MIB for size in (1, 2, 4, 8, 32, 64, 128, 256, 512, 1024)))
"""Segment sizes allowed by initdb --wal-segsize, the default first."""
_PER_LOG = 2**32


@dataclass(frozen=True, order=True)
class SegmentRun:
    """Consecutive segments of one timeline, from `first` to `last` inclusive."""

    timeline: int
    first: int
    last: int

    @property
    def count(self) -> int:
        """Number of segments."""
        return self.last - self.first + 1


def position(lsn: str) -> int:
    """The byte position of an LSN in the notation of PostgreSQL, such as 0/1A2B3C."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def name(timeline: int, number: int, size: int) -> str:
    """The name of a segment, by its number."""
    per_log = _PER_LOG // size
    return f"{timeline:08X}{number // per_log:08X}{number % per_log:08X}"


def timeline_of(segment: str) -> int:
    """The timeline of a segment, by its name."""
    return int(segment[:8], 16)


def number(segment: str, size: int) -> int:
    """The number of a segment, by its name."""
    return int(segment[8:16], 16) * (_PER_LOG // size) + int(segment[16:24], 16)


def size_of(known: Iterable[tuple[str, str]]) -> int:
    """The segment size in bytes, derived from `known` pairs of an LSN and the name of its segment.

    Raises:
        ValueError: no valid size fits all pairs.
    """
    pairs = list(known)
    for size in SIZES:
        if all(number(segment, size) == position(lsn) // size for lsn, segment in pairs):
            return size
    raise ValueError(f"the WAL segment size cannot be derived from {pairs}")


def joined(runs: Iterable[SegmentRun]) -> list[SegmentRun]:
    """The runs sorted, with adjacent and overlapping runs merged."""
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
    """The archived `runs`, merged, and the WAL span needed by each backup, oldest backup first."""

    runs: list[SegmentRun]
    spans: list[SegmentRun]

    @property
    def begin(self) -> int:
        """Index of the oldest backup from which on the WAL should be continuous.

        The option repo-retention-archive can keep WAL for fewer backups than are retained. pgBackRest then expires
        all WAL between older backups and keeps only the span of each. So if all WAL between two backups is missing,
        the gap is intended.
        """
        for index, (span, after) in enumerate(zip(self.spans, self.spans[1:], strict=False)):
            if span.timeline != after.timeline or self._any(span.timeline, span.last + 1, after.first - 1):
                return index
        return len(self.spans) - 1

    def _any(self, timeline: int, first: int, last: int) -> bool:
        return any(run.timeline == timeline and run.first <= last and run.last >= first for run in self.runs)

    def missing(self) -> list[SegmentRun]:
        """Segments missing from the archive, without WAL expired by retention."""
        if not self.spans:
            return []
        from_older = [
            gap for span in self.spans[: self.begin] for gap in self._gaps(span.timeline, span.first, span.last)
        ]
        return joined([*from_older, *self._since(self.spans[self.begin])])

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
        """Index of the oldest backup from which recovery reaches any later time; None if the WAL has a gap since."""
        if not self.spans:
            return None
        missing = self.missing()
        for index in range(self.begin, len(self.spans)):
            span = self.spans[index]
            if not any((gap.timeline, gap.last) >= (span.timeline, span.first) for gap in missing):
                return index
        return None
