"""Batches are drawn, complete and disjoint, and unexpected changes are attributed to the right fault.

The tests use a fake lab: a set of verdicts.
"""

import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from lab.docker.faults import FAULTS as DOCKER_FAULTS
from lab.errors import LabError
from lab.fault import EVERYTHING, Fault
from lab.faults import FAULTS
from lab.settling import Settling
from tests.harness import extent, timing
from tests.proof_matrix import matrix
from tests.proving import ROOT, Ground, Proof, __main__, results
from tests.proving.batches import begins_series, compatible, plan, series
from tests.proving.names import agree_on_causes, names_of, overlap

TESTS = [f"test_{letter}[{place}]" for letter in "abcdefgh" for place in ("one", "two")]


class World:
    """A fake lab: the set of verdicts except passed."""

    def __init__(self):
        self.bad = {}
        self.once = {}
        self.settling = Settling()
        self.rounds_run = 0
        self.forgotten = 0
        self.recovered = 0

    def run(self, wrapper=()):
        self.rounds_run += 1
        verdicts = dict.fromkeys(TESTS, "passed") | self.once | self.bad
        self.once = {}
        self.sentences = {test: f"{test} is {verdict}" for test, verdict in verdicts.items()}
        return verdicts

    def forget(self, metric):
        pass

    def forget_last(self):
        self.forgotten += 1

    def recover(self):
        self.recovered += 1
        self.bad.clear()


def fault(name, changes, *, does=None, leaves=None, reported_once=None, **bounds):
    """A fault that declares `changes`, makes the changes `does` (default: `changes`), and is healed except `leaves`."""

    @contextmanager
    def breaks(world):
        broken = changes if does is None else does
        world.bad |= broken
        yield
        for test in broken:
            world.bad.pop(test, None)
        world.once |= reported_once or {}
        world.bad |= leaves or {}

    may, touches = (frozenset(bounds.get(each, ())) for each in ("may_change", "touches"))
    return Fault(name, breaks, changes, reported_once or {}, may, (), root=False, touches=touches)


def proven(*faults, order=None):
    world = World()
    ground = Ground("world", world, lambda _: nullcontext(), world.recover)
    return Proof(ground, world, order or plan(faults))


def problems(proof):
    """Runs the proof; returns the problem of each fault, and of healing."""
    for batch in proof.order:
        for each in batch:
            try:
                proof.of(each.name)
            except AssertionError:
                continue
    try:
        proof.finish()
    except AssertionError as error:
        return proof.problems | {"healing": str(error)}
    return proof.problems


A, B, C, D = (f"test_{letter}[one]" for letter in "abcd")
GOOD = [fault(letter, {f"test_{letter}[one]": "failed"}) for letter in "abcd"]


def test_faults_with_nothing_in_common_share_one_round_and_one_healthy_round():
    proof = proven(*GOOD)
    assert set(problems(proof).values()) == {""}
    assert proof.ground.lab.rounds_run == (5 if extent.FULL else 2)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (fault("wrong", {A: "failed"}, does={}), "expected {"),
        (fault("wrong", {A: "failed"}, does={A: "warned"}), "warned"),
        (fault("wrong", {A: "failed"}, does={A: "failed", "test_h[two]": "unknown"}), "test_h[two] is unknown"),
        (
            fault("wrong", {A: "failed"}, may_change=("test_h",), does={A: "failed", "test_g[one]": "failed"}),
            "test_g[one]",
        ),
        (fault("wrong", {}, does={"test_h[one]": "failed"}), "test_h[one]"),
    ],
    ids=["no change", "wrong verdict", "extra check", "not in may_change", "unexpected change"],
)
def test_fault_with_unexpected_changes_is_named_but_not_its_neighbours(wrong, word):
    proof = proven(order=[[GOOD[1], wrong, GOOD[2]], [GOOD[3]]])
    found = problems(proof)
    assert [name for name, problem in found.items() if problem] == ["wrong"]
    assert word in found["wrong"]
    assert [row.fault for row in proof.rows if row.outcome == "surprised"] == ["b + wrong + c", "wrong"]


def test_unhealed_fault_is_named_by_the_round_of_the_next_batch():
    lasting = fault("lasting", {B: "failed"}, leaves={B: "failed"})
    proof = proven(order=[[GOOD[0], lasting], [GOOD[2], GOOD[3]]])
    found = problems(proof)
    assert found["healing"].startswith("healing of lasting left")
    assert [row.fault for row in proof.rows if row.outcome == "surprised"] == ["lasting", "c + d"]
    assert not any(found[name] for name in "acd")
    assert proof.ground.lab.recovered


def test_unhealed_fault_is_named_at_the_end_of_a_series():
    lasting = fault("lasting", {B: "failed"}, leaves={B: "failed"})
    found = problems(proven(order=[[GOOD[0], lasting], [GOOD[1]]]))
    assert found["healing"].startswith("healing of lasting left")
    assert not found["b"]


def test_fault_leaving_unnamed_verdicts_is_among_the_named():
    lasting = fault("lasting", {B: "failed"}, leaves={"test_h[one]": "failed"})
    found = problems(proven(order=[[GOOD[0], lasting], [GOOD[2]]]))
    assert "lasting" in found["healing"]
    assert not found["c"]


def test_unhealed_fault_alone_in_the_last_batch_is_named():
    found = problems(proven(order=[[fault("lasting", {B: "failed"}, leaves={B: "failed"})]]))
    assert found["healing"].startswith("healing of lasting left")


LASTING = fault("lasting", {B: "failed"}, leaves={B: "failed"})


@pytest.mark.parametrize("last", [LASTING, GOOD[1]], ids=["not healed", "healed"])
def test_results_are_kept_after_the_last_healing(last, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "REPORTS", tmp_path)
    monkeypatch.setattr(results, "show", lambda config, text: None)
    proof = proven(order=[[GOOD[0], last]])
    proof.of(last.name)
    is_wrong = last is LASTING
    with pytest.raises(AssertionError, match="healing of lasting") if is_wrong else nullcontext():
        results.conclude(proof, None)
    rows = matrix.read([tmp_path / "proof.jsonl"])
    assert [row.fault for row in rows if row.outcome == "surprised"] == (["lasting"] if is_wrong else [])


def test_fault_that_cannot_be_broken_is_named_and_the_rest_is_proven():
    @contextmanager
    def breaks(world):
        raise LabError("missing file")
        yield

    broken = Fault("impossible", breaks, {A: "failed"}, {}, frozenset(), (), root=False, touches=frozenset())
    proof = proven(order=[[GOOD[1], broken], [GOOD[2]]])
    found = problems(proof)
    assert "missing file" in found["impossible"]
    assert proof.ground.lab.forgotten == 0  # no round had seen anything
    assert not any(found[name] for name in "bc")


def test_fault_broken_alone_is_not_retried():
    proof = proven(order=[[fault("wrong", {A: "failed"}, does={})], [GOOD[1]]])
    found = problems(proof)
    assert [name for name, problem in found.items() if problem] == ["wrong"]
    assert proof.ground.lab.recovered == 1


def test_fault_with_failed_healing_is_named():
    @contextmanager
    def breaks(world):
        world.bad[A] = "failed"
        yield
        raise LabError("no way back")

    lasting = Fault("lasting", breaks, {A: "failed"}, {}, frozenset(), (), root=False, touches=frozenset())
    found = problems(proven(order=[[GOOD[1]], [lasting], [GOOD[2]]]))
    assert "no way back" in found["lasting"]
    assert (found["b"], found["c"], "healing" in found) == ("", "", False)


def test_verdict_reported_once_is_expected_in_the_next_round_only():
    telling = fault("telling", {A: "failed"}, reported_once={"test_a[two]": "warned"})
    assert set(problems(proven(order=[[telling], [GOOD[1]], [GOOD[2]]])).values()) == {""}
    assert set(problems(proven(order=[[telling]])).values()) == {""}


@contextmanager
def quietly(world):
    world.bad[A] = "failed"
    yield
    world.bad.pop(A)


SILENT = replace(fault("silent", {A: "failed"}, reported_once={"test_a[two]": "warned"}), breaks=quietly)
LATE = replace(fault("late", {A: "failed"}, reported_once={A: "warned"}), reported_once={})
LATE_ELSEWHERE = replace(fault("late", {A: "failed"}, reported_once={"test_h[one]": "warned"}), reported_once={})


@pytest.mark.parametrize("wrong", [SILENT, LATE, LATE_ELSEWHERE], ids=["silent", "late", "late elsewhere"])
@pytest.mark.parametrize(
    "later",
    [[], [[GOOD[1]]], [[GOOD[1], GOOD[2]]], [[GOOD[1]], [GOOD[2]]]],
    ids=["no later fault", "later fault", "two later faults", "two later batches"],
)
def test_fault_with_wrong_verdicts_after_healing_is_named_but_not_later_faults(wrong, later):
    found = problems(proven(order=[[wrong], *later]))
    assert found["healing"].startswith(f"healing of {wrong.name} ")
    assert not any(found[each.name] for batch in later for each in batch)


def test_fault_that_fails_when_it_is_broken_again_is_not_lost():
    times = []

    @contextmanager
    def breaks(world):
        times.append(world.rounds_run)
        if len(times) == 1:
            world.bad[A] = "failed"
        yield
        world.bad.pop(A, None)
        world.once |= {"test_h[one]": "warned"} if len(times) == 1 else {}

    found = problems(proven(order=[[replace(GOOD[0], breaks=breaks)], [GOOD[1], GOOD[2]]]))
    assert "expected {" in found["healing"]


def test_unexpected_verdict_of_a_batch_not_repeated_alone_blames_no_fault():
    world = World()

    @contextmanager
    def breaks(world):
        world.bad |= {A: "failed"} | ({"test_h[one]": "failed"} if B in world.bad else {})
        yield
        world.bad.clear()

    near = Fault("near", breaks, {A: "failed"}, {}, frozenset(), (), root=False, touches=frozenset())
    proof = Proof(Ground("world", world, lambda _: nullcontext(), world.recover), world, [[GOOD[1], near]])
    assert set(problems(proof).values()) == {""}
    assert [row.fault for row in proof.rows if row.outcome == "surprised"] == ["b + near"]


@pytest.mark.parametrize("faults", [FAULTS, DOCKER_FAULTS], ids=["embedded", "docker"])
@pytest.mark.parametrize("at_most", [1, 5])
def test_every_fault_is_in_one_batch_with_others_that_share_nothing(faults, at_most):
    order = plan(faults, at_most)
    assert sorted(each.name for batch in order for each in batch) == sorted(each.name for each in faults)
    assert all(len(batch) <= at_most for batch in order)
    assert all(compatible(*pair) for batch in order for pair in combinations(batch, 2))


def test_consecutive_batches_share_no_check_within_a_series():
    order = plan(FAULTS, 5)
    ends = [any(overlap(names_of(a), names_of(b)) for a in one for b in other) for one, other in pairwise(order)]
    assert ends == [begins_series(*pair) for pair in pairwise(order)]
    assert series(order) == 1 + sum(ends)


NAMED = Fault("named", nullcontext, {"test_a": "failed", "test_b": "unknown"}, {}, frozenset(), (), False, frozenset())
FOUND = {"test_a[x]": "failed", "test_b[x]": "unknown", "test_c[x]": "passed"}


@pytest.mark.parametrize(
    ("named", "found", "agrees"),
    [
        (("test_a",), {"test_a[x]": "test_a[x]", "test_b[x]": "test_a[x]"}, True),
        (("test_a", "test_b"), {"test_a[x]": "test_a[x]", "test_b[x]": "test_b[x]"}, True),
        (("test_a",), {"test_a[x]": "test_a[x]", "test_b[x]": "test_b[x]"}, False),
        (("test_a", "test_b"), {"test_a[x]": "test_a[x]", "test_b[x]": "test_a[x]"}, False),
        (("test_b",), {"test_a[x]": "test_a[x]", "test_b[x]": "test_a[x]"}, False),
        (("test_a",), {"test_a[x]": "test_c[x]", "test_b[x]": "test_c[x]"}, False),
    ],
)
def test_causes_of_findings_are_exactly_the_named(named, found, agrees):
    with nullcontext() if agrees else pytest.raises(AssertionError, match="named: causes"):
        agree_on_causes(replace(NAMED, causes=named), FOUND, found)


def test_batches_save_rounds():
    order = plan(FAULTS, 5)
    assert len(order) + series(order) < len(FAULTS) / 2


def test_another_tree_draws_other_batches(monkeypatch):
    def drawn(seed):
        monkeypatch.setattr(extent, "seed", lambda: seed)
        return {frozenset(each.name for each in batch) for batch in plan(FAULTS, 5) if len(batch) > 1}

    first, same, other = drawn("a tree"), drawn("a tree"), drawn("another")
    assert first == same
    assert len(first & other) < len(first) / 4


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (fault("x", {A: "failed"}), fault("y", {"test_a[two]": "failed"}), True),
        (fault("x", {A: "failed"}), fault("y", {"test_a": "failed"}), False),
        (fault("x", {A: "failed"}), fault("y", {B: "failed"}, may_change=("test_a",)), False),
        (fault("x", {A: "failed"}), fault("y", {B: "failed"}, reported_once={A: "warned"}), False),
        (fault("x", {A: "failed"}), fault("y", {"*": "unknown"}), False),
        (fault("x", {A: "failed"}, touches=("disk",)), fault("y", {B: "failed"}, touches=("disk",)), False),
        (fault("x", {A: "failed"}, touches=("disk",)), fault("y", {B: "failed"}, touches=("logs",)), True),
        (fault("x", {A: "failed"}, touches=(EVERYTHING,)), fault("y", {B: "failed"}), False),
        (fault("x", {}), fault("y", {}), True),
    ],
)
def test_faults_go_together_where_no_check_and_no_surroundings_are_shared(one, other, together):
    assert compatible(one, other) == compatible(other, one) == together


def test_fault_whose_lab_is_missing_is_not_proven():
    name = next(each.name for each in DOCKER_FAULTS if each.name not in {other.name for other in FAULTS})
    words = [sys.executable, "-m", "tests.proving", name]
    environment = {**timing.untimed(os.environ), "DOCKER_HOST": "unix:///nowhere"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout
    assert "no docker engine answers" in done.stdout


def test_fault_that_only_root_can_break_is_not_proven_by_others(monkeypatch, capsys):
    monkeypatch.setattr(__main__, "IS_ROOT", False)
    assert __main__.main(["disk", "full"]) == 2
    assert "only root can break 'disk full'" in capsys.readouterr().err
