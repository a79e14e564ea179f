"""The log scanner against the runbook's greps, over 500 MB."""

from bench import Bench
from log_scan_bench import compare
from measure import Row

MEGABYTES = 500


def logs(bench: Bench) -> list[Row]:
    """Wall time in seconds over the log of a whole week, and over the last day."""
    return compare(MEGABYTES, bench.runs)
