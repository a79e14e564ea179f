"""Fixtures of checks: hosts, facts, limits, evidence, counters."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from opsproof.core.counters import Counter, increase_since
from opsproof.core.counters import increase as increase_of
from opsproof.core.deployments import RoundSample, unplanned_increase
from opsproof.core.errors import InventoryError, MeasurementError
from opsproof.core.limits import Allowed, AtLeast, Estimate, Limit
from opsproof.core.verdicts import Evidence, Sample
from opsproof.facts import REGISTRY
from opsproof.inventory.hosts import RESOURCES, Host, resource_in
from opsproof.postgres.quoting import identifier, qualified
from opsproof.round.judging import record
from opsproof.round.run import RUN

if TYPE_CHECKING:
    from opsproof.action.drills import Drill
    from opsproof.action.readings import RepositoryReading
    from opsproof.facts.backups import BackupState, StanzaState
    from opsproof.facts.base import Measured
    from opsproof.facts.coverage import Gap
    from opsproof.facts.places import Places


def _least(found: Estimate, limit: Limit) -> Estimate | AtLeast:
    """The range, or its lower end if the verdicts on both ends differ."""
    if limit.judge(found.low).verdict == limit.judge(found.high).verdict:
        return found
    return AtLeast(found.low, found.why)


def _fact_fixture(name: str) -> Any:
    def fact(self: "FactFixtures", request: pytest.FixtureRequest, host: Host) -> Any:
        del self
        value = request.config.stash[RUN].gathering.value(name, host.name)
        given, called = resource_in(request.node.callspec.params)
        if given and RESOURCES[given] == RESOURCES.get(REGISTRY[name].resource):
            # A missing measurement is an error in setup, not a failure of the check.
            value.require(called)
        return value

    fact.__doc__ = REGISTRY[name].__doc__
    return pytest.fixture(name=name)(fact)


class FactFixtures:
    """A fixture for each fact, under the name of the fact, and fixtures for judging."""

    @pytest.fixture
    def host(self, request: pytest.FixtureRequest) -> Host:
        """The checked host, as declared in the inventory."""
        return request.config.stash[RUN].inventory.hosts[request.param]

    @pytest.fixture
    def allowed(self, request: pytest.FixtureRequest, host: Host) -> Allowed:
        """The limits for the resource of this test, else for the host."""
        verdict = record(request.node)
        given, called = resource_in(request.node.callspec.params)
        resource = host.resources(given)[called] if given else None
        subject = verdict.resource or host.name
        return Allowed(lambda metric: host.limit(metric, resource), subject, verdict.measurements.append)

    @pytest.fixture
    def evidence(self, request: pytest.FixtureRequest) -> Callable[[str, Iterable[str]], None]:
        """Adds lines under a title to the verdict."""
        verdict = record(request.node)
        return lambda title, lines: verdict.evidence.append(Evidence(title, tuple(lines)))

    @pytest.fixture
    def increase(self, request: pytest.FixtureRequest) -> Callable[[Counter, Limit], float | Estimate | AtLeast]:
        """The growth of a counter over the time span of a limit, by default since the last run."""
        verdict, history = record(request.node), request.config.stash[RUN].history

        def measure(counter: Counter, limit: Limit) -> float | Estimate | AtLeast:
            metric = limit.metric
            verdict.samples.append(Sample(metric, counter.value, counter.born, counter.now))
            if limit.over is None:
                return increase_since(counter, history.last_sample(verdict.host, verdict.resource, metric))
            samples = history.samples(verdict.host, verdict.resource, metric, counter.now - limit.over)
            return increase_of(counter, samples, limit.over)

        return measure

    @pytest.fixture
    def unplanned_increase(
        self, request: pytest.FixtureRequest
    ) -> Callable[[Counter, Limit, Limit], float | Estimate | AtLeast]:
        """The growth of a counter outside deployments over the time span of a limit, by the samples for another."""
        verdict, run = record(request.node), request.config.stash[RUN]

        def measure(counter: Counter, sampled: Limit, limit: Limit) -> float | Estimate | AtLeast:
            if limit.over is None:
                raise InventoryError(f"the limit of {limit.metric} needs `over`")
            start = counter.now - limit.over
            samples = run.history.round_samples(verdict.host, verdict.resource, sampled.metric, start)
            found = unplanned_increase(RoundSample(counter, run.cadence), samples, limit.over)
            return _least(found, limit) if isinstance(found, Estimate) and samples else found

        return measure

    @pytest.fixture
    def remembered(self, request: pytest.FixtureRequest) -> Callable[[dict[str, Counter]], dict[str, list[Counter]]]:
        """Records readings by name, and returns the readings of earlier runs by the same names, the oldest first."""
        verdict, history = record(request.node), request.config.stash[RUN].history

        def remember(readings: dict[str, Counter]) -> dict[str, list[Counter]]:
            verdict.samples += [Sample(name, each.value, each.born, each.now) for name, each in readings.items()]
            return history.readings(verdict.host, verdict.resource, readings)

        return remember

    @pytest.fixture
    def repair_with(self, request: pytest.FixtureRequest) -> Callable[..., None]:
        """Adds a word to the remedy of this check, or an option once for each value."""
        words = record(request.node).repaired_with

        def add(word: str, values: Iterable[str] | None = None) -> None:
            words.extend([word] if values is None else [each for value in values for each in (word, value)])

        return add

    @pytest.fixture
    def repair_by(self, request: pytest.FixtureRequest) -> Callable[..., None]:
        """Replaces the remedy of this check by other words."""
        verdict = record(request.node)

        def replace(*words: str) -> None:
            verdict.repaired_by = words

        return replace

    @pytest.fixture
    def repair_with_sql(self, repair_with: Callable[..., None]) -> Callable[[str, Iterable[str]], None]:
        """Adds a statement to the remedy of this check, once for each name.

        The name replaces ``{table}`` as a qualified relation name, and ``{name}`` as an identifier.
        """
        return lambda statement, names: repair_with(
            "-c", [statement.format(table=qualified(each), name=identifier(each)) for each in names]
        )

    @pytest.fixture
    def last_drill(self, request: pytest.FixtureRequest, host: Host) -> Callable[[], "Drill"]:
        """The last restore drill of the backup of this test, from the journal of actions."""
        from opsproof.action import drills  # not needed without backups

        journal, name = request.config.option.reports / "journal.jsonl", record(request.node).resource
        return lambda: drills.last(journal, host.name, name)

    @pytest.fixture
    def last_restore(self, request: pytest.FixtureRequest, host: Host) -> Callable[[], float | None]:
        """The start of the last restore of the database of this test, from the journal of actions."""
        from opsproof.action import restores  # not needed in daily rounds

        journal, name = request.config.option.reports / "journal.jsonl", record(request.node).resource
        backups = [each for each, backup in host.backups.items() if backup.database == name]
        return lambda: restores.last_began(journal, host.name, backups)

    @pytest.fixture
    def last_reading(self, request: pytest.FixtureRequest, host: Host) -> Callable[[], "RepositoryReading"]:
        """The last verification of the repository of this test, from the journal of actions."""
        from opsproof.action import readings  # not needed without backups

        journal, name = request.config.option.reports / "journal.jsonl", record(request.node).resource
        return lambda: readings.last(journal, host.name, name)

    @pytest.fixture
    def copies_lacking(self, request: pytest.FixtureRequest, host: Host) -> Callable[[str], list[str]]:
        """The flaws of the off-site copies of a set, a line per target; the targets are queried on each call."""
        from opsproof.backup_store import off_site  # not needed without backups

        backup, saved = host.backups[record(request.node).resource], request.config.option.facts

        def lacking(set_name: str) -> list[str]:
            if saved:
                raise MeasurementError("off-site copies are not in the saved facts")
            found = {each: off_site.lacking(host, backup, each, set_name) for each in backup.off_site}
            return [f"{target}: {what}" for target, what in found.items() if what]

        return lacking

    @pytest.fixture
    def copy_deleters(self, request: pytest.FixtureRequest, host: Host) -> Callable[[], list[str]]:
        """The users who can delete off-site copies, a line for each; the targets are queried on each call."""
        from opsproof.backup_store import off_site  # not needed without backups

        name, saved = record(request.node).resource, request.config.option.facts

        def deleters() -> list[str]:
            if saved:
                raise MeasurementError("off-site copies are not in the saved facts")
            targets = host.backups[name].off_site
            return [f"{each}: {user}" for each in targets for user in off_site.deleters(host, name, each)]

        return deleters

    @pytest.fixture
    def uncovered_data(
        self, host: Host, backups: "Measured[BackupState | StanzaState]", data_places: "Places"
    ) -> "list[Gap]":
        """Declared databases and files that no backup covers, with the reason."""
        from opsproof.facts import coverage  # not needed in daily rounds

        return coverage.uncovered(host, backups, data_places)


for _name in REGISTRY:
    setattr(FactFixtures, _name, _fact_fixture(_name))
