"""The fixtures of checks: hosts, facts, limits, evidence, counters."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from opsproof.core.counters import Counter, increase_since
from opsproof.core.counters import increase as increase_of
from opsproof.core.errors import MeasurementError
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


def _fact_fixture(name: str) -> Any:
    def fact(self: "FactFixtures", request: pytest.FixtureRequest, host: Host) -> Any:
        del self
        value = request.config.stash[RUN].gathering.value(name, host.name)
        given, called = resource_in(request.node.callspec.params)
        if given and RESOURCES[given] == RESOURCES.get(REGISTRY[name].resource):
            # What was not measured is an error of the set-up, never a failure of the check.
            value.require(called)
        return value

    fact.__doc__ = REGISTRY[name].__doc__
    return pytest.fixture(name=name)(fact)


class FactFixtures:
    """One fixture for each fact, under the fact's name, and those that judge facts."""

    @pytest.fixture
    def host(self, request: pytest.FixtureRequest) -> Host:
        """The host under proof, as the inventory declares it."""
        return request.config.stash[RUN].inventory.hosts[request.param]

    @pytest.fixture
    def allowed(self, request: pytest.FixtureRequest, host: Host) -> Allowed:
        """The limits of this host, or of the resource of this test where it has its own."""
        verdict = record(request.node)
        given, called = resource_in(request.node.callspec.params)
        resource = host.resources(given)[called] if given else None
        subject = verdict.resource or host.name
        return Allowed(lambda metric: host.limit(metric, resource), subject, verdict.measurements.append)

    @pytest.fixture
    def evidence(self, request: pytest.FixtureRequest) -> Callable[[str, Iterable[str]], None]:
        """Puts lines under a title beside the verdict."""
        verdict = record(request.node)
        return lambda title, lines: verdict.evidence.append(Evidence(title, tuple(lines)))

    @pytest.fixture
    def increase(self, request: pytest.FixtureRequest) -> Callable[[Counter, Limit], float | Estimate | AtLeast]:
        """How much a counter grew over a limit's time span, or since the last run, by the readings of earlier ones."""
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
    def remembered(self, request: pytest.FixtureRequest) -> Callable[[dict[str, Counter]], dict[str, list[Counter]]]:
        """Puts readings on record by name, and gives those of earlier runs under the same names, the oldest first."""
        verdict, history = record(request.node), request.config.stash[RUN].history

        def remember(readings: dict[str, Counter]) -> dict[str, list[Counter]]:
            verdict.samples += [Sample(name, each.value, each.born, each.now) for name, each in readings.items()]
            return history.readings(verdict.host, verdict.resource, readings)

        return remember

    @pytest.fixture
    def repair_with(self, request: pytest.FixtureRequest) -> Callable[..., None]:
        """Adds an option to the command that repairs what this check finds, once for each value."""
        words = record(request.node).repaired_with
        return lambda option, values: words.extend(word for value in values for word in (option, value))

    @pytest.fixture
    def repair_with_sql(self, repair_with: Callable[..., None]) -> Callable[[str, Iterable[str]], None]:
        """Adds a statement to the command that repairs what this check finds, once for each name in its place.

        ``{table}`` is the place of the name of a relation with its schema, ``{name}`` that of anything else.
        """
        return lambda statement, names: repair_with(
            "-c", [statement.format(table=qualified(each), name=identifier(each)) for each in names]
        )

    @pytest.fixture
    def last_drill(self, request: pytest.FixtureRequest, host: Host) -> Callable[[], "Drill"]:
        """The last restore of this test's backup for practice, by the journal of actions."""
        from opsproof.action import drills  # a round without backups needs none of it

        journal, name = request.config.option.reports / "journal.jsonl", record(request.node).resource
        return lambda: drills.last(journal, host.name, name)

    @pytest.fixture
    def last_reading(self, request: pytest.FixtureRequest, host: Host) -> Callable[[], "RepositoryReading"]:
        """The last time that all of this test's repository was read back, by the journal of actions."""
        from opsproof.action import readings  # a round without backups needs none of it

        journal, name = request.config.option.reports / "journal.jsonl", record(request.node).resource
        return lambda: readings.last(journal, host.name, name)

    @pytest.fixture
    def copies_lacking(self, request: pytest.FixtureRequest, host: Host) -> Callable[[str], list[str]]:
        """What the copies of a set lack, a line for each target; each is asked when it is called."""
        from opsproof.backup_store import off_site  # a round without backups needs none of it

        backup, saved = host.backups[record(request.node).resource], request.config.option.facts

        def lacking(set_name: str) -> list[str]:
            if saved:
                raise MeasurementError("copies elsewhere are not among the saved facts")
            found = {each: off_site.lacking(host, each, set_name) for each in backup.off_site}
            return [f"{target}: {what}" for target, what in found.items() if what]

        return lacking


for _name in REGISTRY:
    setattr(FactFixtures, _name, _fact_fixture(_name))
