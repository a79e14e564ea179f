"""Round trips of a daily round to host and database, against the number of commands and queries."""

import json
import re

from bench import Bench
from measure import Row, row

SAID = re.compile(r"round trips: (\d+) to hosts, (\d+) to databases")


def round_trips(bench: Bench) -> list[Row]:
    """Round trips as counted by the run, and the commands and queries they carried."""
    facts = bench.folder / "round_trips.json"
    said = SAID.search(bench.daily(f"--save-facts={facts}").printed)
    assert said, "the run does not report its round trips"
    (saved,) = json.loads(facts.read_text(encoding="utf-8")).values()
    hosts = int(said[1]), len(saved["answers"])
    databases = int(said[2]), len(saved["results"])
    return [
        row("round trips to the host / commands", hosts, "times", goal=1, goal_for="ours"),
        row("round trips to the database / queries", databases, "times", goal=1, goal_for="ours"),
    ]
