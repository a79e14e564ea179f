"""Findings are grouped by declared cause, and equal findings of hosts are one."""

import pytest

from opsproof.core.verdicts import Verdict
from opsproof.round.grouping import findings, group


def verdict(name, word="failed", *, host="vps", resource="api", causes=(), sentence=""):  # noqa: PLR0913  # fields
    made = Verdict(f"{name}[{host}-{resource}]", host, resource, word, sentence or f"{name} of {resource} on {host}")
    made.causes = [f"{each}[{host}-{resource}]" for each in causes]
    return made


def shape(groups):
    return [[each.check for each in one.verdicts] for one in groups]


def test_results_with_a_declared_cause_are_its_consequences():
    late, down = verdict("test_uptime", "warned", causes=["test_online"]), verdict("test_online")
    assert shape(group([late, down, verdict("test_disk")])) == [["test_online", "test_uptime"], ["test_disk"]]


def test_cause_that_holds_explains_nothing():
    passed = verdict("test_online", "passed")
    assert shape(group([verdict("test_uptime", causes=["test_online"]), passed])) == [["test_uptime"]]


def test_cause_on_another_resource_or_host_explains_nothing():
    others = [verdict("test_online", resource="worker"), verdict("test_online", host="other")]
    found = group([verdict("test_uptime", causes=["test_online"]), *others])
    assert [len(each.verdicts) for each in found] == [1, 1, 1]


@pytest.mark.parametrize("word", ["waived", "warned", "unknown"])
def test_cause_that_is_less_bad_explains_nothing(word):
    found = group([verdict("test_online", word), verdict("test_uptime", causes=["test_online"])])
    assert shape(found) == [["test_online"], ["test_uptime"]]


def test_result_with_several_causes_is_a_consequence_of_the_first():
    found = group([verdict("test_a"), verdict("test_b"), verdict("test_c", causes=["test_b", "test_a"])])
    assert shape(found) == [["test_a"], ["test_b", "test_c"]]


def test_same_statement_joins_no_results_with_causes_of_their_own():
    found = [
        verdict(name, word, resource=each, causes=causes, sentence=sentence)
        for each in ("sessions", "limits")
        for name, word, causes, sentence in (
            ("test_responds", "failed", (), f"{each} hangs"),
            ("test_memory", "unknown", ["test_responds"], "timed out"),
        )
    ]
    assert shape(group(found)) == [["test_responds", "test_memory"]] * 2


def test_chain_of_causes_is_one_group():
    chain = [verdict("test_c", causes=["test_b"]), verdict("test_b", causes=["test_a"]), verdict("test_a")]
    assert shape(group(chain)) == [["test_a", "test_c", "test_b"]]


def test_circle_of_causes_is_one_group_with_the_worst_first():
    circle = [verdict("test_a", "warned", causes=["test_b"]), verdict("test_b", causes=["test_a"])]
    assert shape(group(circle)) == [["test_b", "test_a"]]


def test_same_statement_of_a_host_is_one_group():
    found = [verdict(name, "unknown", sentence="ssh timed out") for name in ("test_a", "test_b")]
    assert shape(group([*found, verdict("test_a", "unknown", host="other", sentence="ssh timed out")])) == [
        ["test_a", "test_b"],
        ["test_a"],
    ]


def test_same_finding_of_many_hosts_is_one_and_names_the_only_host_without():
    many = [verdict("test_disk", host=f"vps-{number}") for number in range(9)]
    (found,) = findings([*many, verdict("test_disk", "passed", host="vps-9")])
    assert (len(found.groups), found.spared) == (9, ("vps-9",))


def test_hosts_with_other_consequences_are_another_finding():
    both = [verdict("test_online", host="one"), verdict("test_uptime", host="one", causes=["test_online"])]
    assert len(findings([*both, verdict("test_online", host="other")])) == 2


def test_findings_are_sorted_by_worst_verdict_then_by_hosts():
    verdicts = [
        verdict("test_w", "warned"),
        verdict("test_u", "unknown"),
        verdict("test_one"),
        *(verdict("test_two", host=host) for host in ("a", "b")),
    ]
    assert [each.first.cause.check for each in findings(verdicts)] == ["test_two", "test_one", "test_u", "test_w"]


def test_many_consequences_are_one_group():
    found = group([verdict(f"test_{number}", causes=["test_0"]) for number in range(5000)])
    assert len(found) == 1
