"""Rules for every registered fact, including future ones."""

import re
import shlex

import pytest

from opsproof.core.errors import Absent, MeasurementError
from opsproof.facts import REGISTRY
from opsproof.facts.base import ResourceFact, ShellFact, SqlFact, SqlResourceFact
from opsproof.inventory.load import load
from opsproof.postgres.connection import Result
from opsproof.round.gathering import Gathering, Recording, write
from opsproof.transport.shell import Answer, encode

IN_DATABASES = sorted(name for name, fact in REGISTRY.items() if issubclass(fact, (SqlFact, SqlResourceFact)))
ON_HOSTS = sorted(set(REGISTRY) - set(IN_DATABASES))


@pytest.fixture
def measured(everything, tmp_path):
    """Value of a fact for a host, or its first resource, from a raw answer."""

    def measured(fact, answer):
        (host,) = everything.hosts.values()
        resource = next(iter(host.resources(REGISTRY[fact].resource))) if REGISTRY[fact].resource else ""
        kind = "results" if isinstance(answer, Result) else "answers"
        write(tmp_path / "facts.json", {host.name: Recording(**{kind: {f"{fact} {resource}".strip(): answer}})})
        gathering = Gathering(everything, {host.name: {(fact, resource)}}, tmp_path / "facts.json")
        value = gathering.value(fact, host.name)
        return value[resource] if REGISTRY[fact].resource else value

    return measured


@pytest.mark.parametrize("fact", ON_HOSTS)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(127, "", "tool: No such file or directory\n"),
        Answer(126, "", "tool: Permission denied\n"),
        Answer(1, "", "sudo: a password is required\n"),
        Answer(124, "", "", flag="timeout", elapsed_s=10),
        Answer(141, "{}" * 10, "", flag="truncated"),
        Answer(137, "", ""),
        Answer(0, "", ""),
        Answer(0, "\n", ""),
        Answer(0, "\x00\ufffd<html>garbage</html>\n", ""),
        Answer(0, "{}", ""),
        Answer(0, "[]", ""),
        Answer(0, "null", ""),
    ],
    ids=[
        "missing",
        "not executable",
        "refused",
        "timed out",
        "without end",
        "killed",
        "silent",
        "an empty line",
        "garbage",
        "an empty object",
        "an empty list",
        "null",
    ],
)
def test_unparsable_answer_raises_measurement_error(measured, fact, answer):
    with pytest.raises(MeasurementError) as caught:
        measured(fact, answer)
    assert str(caught.value).startswith("vps-01")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("fact", IN_DATABASES)
@pytest.mark.parametrize(
    "result",
    [
        Result(error="permission denied for view pg_stat_activity"),
        Result([[]]),
        Result([["x", {}, None, [], "y"]]),
    ],
    ids=["refused", "without columns", "of another shape"],
)
def test_unparsable_query_result_raises_measurement_error(measured, fact, result):
    with pytest.raises(MeasurementError, match=r"^vps-01"):
        measured(fact, result)


@pytest.mark.parametrize("fact", REGISTRY)
def test_every_fact_has_docstring_and_base_class(fact):
    assert REGISTRY[fact].__doc__.splitlines()[0].endswith(".")
    assert fact == fact.lower()
    assert issubclass(REGISTRY[fact], (ShellFact, ResourceFact, SqlFact, SqlResourceFact))


@pytest.mark.parametrize("fact", ON_HOSTS)
def test_every_command_has_a_timeout(everything, fact):
    (host,) = everything.hosts.values()
    each = REGISTRY[fact]()
    resources = host.resources(each.resource) if each.resource else {}
    commands = [each.command(host, *item) for item in resources.items()] if each.resource else [each.command(host)]
    for command in commands:
        assert 0 < command.timeout_s <= 120
        assert all(isinstance(word, str) for word in command.argv)


@pytest.mark.parametrize("fact", IN_DATABASES)
def test_every_query_is_a_single_select(fact):
    sql = re.sub(r"\A(--.*\n)+", "", REGISTRY[fact].sql.strip())
    assert sql.startswith(("SELECT", "WITH"))
    assert ";" not in sql


def test_absent_is_no_measurement_error():
    assert not issubclass(Absent, MeasurementError)


@pytest.mark.parametrize("logs", [1, 4])
def test_commands_of_production_fit_into_an_argument(repository, logs):
    """All rounds at once: Linux limits the argument of a remote shell to 128 KiB."""
    host = load(repository / "inventory" / "metachat.toml").hosts["vps-00"]
    host = host.model_copy(update={"logs": dict(list(host.logs.items())[:logs])})
    facts = [fact() for fact in REGISTRY.values() if issubclass(fact, (ShellFact, ResourceFact))]
    commands = [
        command
        for fact in facts
        for command in (
            [fact.command(host)]
            if isinstance(fact, ShellFact)
            else [fact.command(host, name, each) for name, each in host.resources(fact.resource).items()]
        )
    ]
    assert len(shlex.join(encode(tuple(commands)))) < 100 * 1024
