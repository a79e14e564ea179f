"""A run of checks: inventory, plan, answers and verdicts."""

import datetime
import gc
import json
import time
from typing import Any

import pytest

from opsproof.core.verdicts import Verdict, from_plain, tally
from opsproof.facts import REGISTRY
from opsproof.history.store import SELECTED, History, place_of
from opsproof.inventory.hosts import RESOURCES, resource_in
from opsproof.inventory.load import load as load_inventory
from opsproof.postgres.client import DatabaseClient
from opsproof.round.ahead import LastPlan
from opsproof.round.due import due_times
from opsproof.round.gathering import Gathering, Key, Recording, dump, load, write
from opsproof.round.judging import UNKNOWN_EXIT, VERDICT, Judge, is_judged
from opsproof.round.unknowns import UnknownLimits

RUN: pytest.StashKey["Run"] = pytest.StashKey()
_CADENCE = "opsproof_cadence"
_LETTERS = {"failed": "F", "unknown": "?", "warned": "w", "waived": "-", "passed": "."}
_COLOURS = {"failed": "red", "unknown": "purple", "warned": "yellow", "waived": "yellow", "passed": "green"}


class Run:
    """The state of a run, and the plugin with hooks for every check.

    With a `client` for databases, `start_gathering` queries all hosts in this process.

    Raises:
        InventoryError: the inventory or the file of saved facts is invalid.
    """

    def __init__(self, config: pytest.Config, client: DatabaseClient | None) -> None:
        self.config = config
        self.started = time.time()
        here = config.invocation_params.dir
        self.has_all_checks = {here / path for path in config.args} == {config.rootpath / "checks"}
        """Whether the command line names no path, or the folder of all checks."""
        self.is_worker = hasattr(config, "workerinput")
        self.verdicts: list[Verdict] = []
        self.unwritten: list[str] = []
        """The files that could not be written, each with the reason."""
        self.history = History(place_of(config.option.reports, config.option.history))
        self.round_trips = {"shell": 0, "sql": 0}
        self.whole_inventory = load_inventory(config.option.inventory)
        """The inventory, also with the hosts that --host leaves out."""
        self.inventory = self.whole_inventory.narrowed(config.option.host or ())
        today = datetime.datetime.fromtimestamp(self.started, tz=datetime.UTC).date()
        self.notices = self.inventory.overdue_reviews(today)
        """Warnings about the inventory itself."""
        self._plan: dict[str, set[Key]] = {}
        self._recordings: dict[str, Recording] = {}
        self._asks = client is not None
        words = [str(config.option.inventory.absolute()), *map(str, config.invocation_params.args)]
        self._last_plan = LastPlan(config.option.reports, self.cadence, words)
        self.gathering = Gathering(self.inventory, self._plan, config.option.facts, client)
        limits = UnknownLimits(self.history, self.inventory, self.cadence, self.started)
        self._judge = Judge(self.inventory, None if config.option.facts else limits)

    @property
    def cadence(self) -> str:
        """The value of -m, or "selected" if paths or -k narrow the selection."""
        if self.is_worker:
            return str(self.config.workerinput[_CADENCE])  # type: ignore[attr-defined]
        is_narrowed = self.config.option.keyword or not self.config.option.markexpr or not self.has_all_checks
        return SELECTED if is_narrowed else str(self.config.option.markexpr)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tells an xdist worker the round: pytest gives the worker all paths."""
        node.workerinput[_CADENCE] = self.cadence

    def want(self, host: str, fact: str, params: dict[str, Any]) -> None:
        """Adds a fact of a host to the plan: for the resource in the `params` of a test, or for all resources."""
        asked, (given, name) = REGISTRY[fact].resource, resource_in(params)
        every = self.inventory.hosts[host].resources(asked) if asked else [""]
        wanted = [name] if given and asked and RESOURCES[given] == RESOURCES[asked] else every
        self._plan.setdefault(host, set()).update((fact, each) for each in wanted)

    def pytest_unconfigure(self) -> None:
        """Ends the database worker process."""
        self.gathering.close()
        gc.freeze()  # the process ends: skip the last garbage collection

    def start_ahead(self) -> None:
        """Starts to query the hosts for the facts of the last run with the same command line."""
        if self._asks:
            self.gathering.start_ahead(self._last_plan.read(self.inventory.hosts))

    def start_gathering(self) -> None:
        """Starts to query all hosts, unless xdist workers do."""
        if self._asks:
            self.gathering.start(self._plan)
            self._last_plan.write(self._plan)

    def start_share(self, host: str) -> None:
        """In an xdist worker, starts to query all hosts in the share of `host`."""
        from opsproof.round.workers import shares

        workers = self.config.workerinput["workercount"]  # type: ignore[attr-defined]
        share = next(share for share in shares(list(self.inventory.hosts), workers) if host in share)
        self.gathering.start(each for each in share if each in self._plan)

    def tally(self) -> dict[str, int]:
        """The number of verdicts of each kind."""
        return tally(self.verdicts)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Adds a verdict to the report."""
        outcome = yield
        report = outcome.get_result()
        if report.when == "call" or (report.when == "setup" and call.excinfo):
            self._judge.judge(item, call, report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Item) -> bool | None:
        """Skips the function of a check that is judged already."""
        return True if is_judged(pyfuncitem) else None

    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, Any] | None:
        """Shows verdicts instead of outcomes of pytest."""
        plain = getattr(report, VERDICT, None)
        if plain is None:
            return None
        verdict = plain["verdict"]
        return verdict, _LETTERS[verdict], (verdict.upper(), {_COLOURS[verdict]: True})

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Collects verdicts, also from xdist workers."""
        if not self.is_worker and (plain := getattr(report, VERDICT, None)) is not None:
            self.verdicts.append(from_plain(plain))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Stores the recordings, or passes them to the controller of this worker."""
        if self.config.option.collectonly:
            return
        if self.is_worker:
            self.config.workeroutput["opsproof"] = dump(self.gathering.done())  # type: ignore[attr-defined]
        else:
            self._store(self.gathering.done())

    def pytest_testnodedown(self, node: Any) -> None:
        """Stores the recordings of a worker."""
        if text := getattr(node, "workeroutput", {}).get("opsproof"):
            self._store(load(json.loads(text)))

    def save_facts(self) -> None:
        """Saves the answers of the hosts.

        Raises:
            OSError: the file cannot be written.
        """
        if self._recordings:
            write(self.config.option.save_facts, self._recordings)

    def durations(self) -> list[tuple[float, str, str]]:
        """The duration of each command and query in seconds, with its host and the name of its fact."""
        found = []
        for host, each in self._recordings.items():
            found += [(answer.elapsed_s, host, name) for name, answer in each.answers.items()]
            found += [(result.elapsed_s, host, name) for name, result in each.results.items()]
        return found

    @property
    def recordings(self) -> dict[str, Recording]:
        """The answers that the verdicts come from, by host."""
        return self.gathering.saved or self._recordings | self.gathering.done()

    def _store(self, recordings: dict[str, Recording]) -> None:
        self._recordings |= recordings
        for recording in recordings.values():
            for kind, count in recording.round_trips.items():
                self.round_trips[kind] += count

    def is_complete(self, exitstatus: int) -> bool:
        """Whether the run has judged answers of the hosts to its end."""
        return self.is_judged(exitstatus) and not self.config.option.facts

    def is_judged(self, exitstatus: int) -> bool:
        """Whether the run came to its end with verdicts, also of saved answers."""
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, UNKNOWN_EXIT)
        return bool(self.verdicts) and ended

    def record(self, exitstatus: int) -> bool:
        """Records a complete run in the history, after the report has compared it with the last; whether it did."""
        if not self.is_complete(exitstatus):
            return False
        due = due_times(self.inventory, self.cadence, self.started)
        self.history.add(self.started, str(self.config.option.inventory), self.cadence, self.verdicts, due)
        return not self.history.unrecorded
