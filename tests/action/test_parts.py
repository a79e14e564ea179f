"""After a failed step, only dependent steps are skipped."""

import pytest

from opsproof.action import Action, Step, Work
from opsproof.action.command import ActionRun, _apply
from opsproof.core.errors import NotRepaired, OpsproofError, StepFailed
from opsproof.inventory.hosts import Host


def applied(steps, failing):
    """Runs steps of which some fail; returns the steps done, the output and the error."""
    done, said = [], []

    class Stepwise(Action):
        name = "stepwise"

        def plan(self):
            return []

    def step(title, part):
        def do():
            if title in failing:
                raise failing[title]
            done.append(title)

        return Step(title, do, part)

    action = Stepwise(Work(Host.model_validate({"transport": "local://"}).placed("vps", ()), said.append), None)
    course = ActionRun(Stepwise, "vps")
    try:
        _apply(action, [step(*each) for each in steps], course)
    except OpsproofError as error:
        return done, said, error
    return done, said, course.outcome


BACKUPS = [
    ("dump a", ("a",)),
    ("dump b", ("b",)),
    ("copy a to x", ("a", "x")),
    ("copy a to y", ("a", "y")),
    ("copy b to x", ("b", "x")),
    ("prune x", ("a", "x")),
    ("prune a", ("a",)),
    ("prune b", ("b",)),
]


@pytest.mark.parametrize(
    ("failing", "skipped"),
    [
        (["dump a"], ["dump a", "copy a to x", "copy a to y", "prune x", "prune a"]),
        (["copy a to x"], ["copy a to x", "prune x", "prune a"]),
        (["copy a to y", "dump b"], ["copy a to y", "dump b", "copy b to x", "prune a", "prune b"]),
        (["prune b"], ["prune b"]),
    ],
)
def test_independent_steps_run_after_a_failure(failing, skipped):
    done, said, error = applied(BACKUPS, {each: StepFailed(f"{each} went wrong") for each in failing})
    assert done == [title for title, _ in BACKUPS if title not in skipped]
    assert isinstance(error, StepFailed)
    assert {f"{each} went wrong" for each in failing} == set(str(error).split("; "))
    assert sum("skipped" in line for line in said) == len(skipped) - len(failing)


def test_steps_without_parts_stop_at_the_first_failure():
    steps = [(title, ()) for title in ("one", "two", "three")]
    done, said, error = applied(steps, {"two": NotRepaired("no")})
    assert (done, type(error), str(error)) == (["one"], NotRepaired, "no")
    assert len(said) == 1


def test_all_steps_run_if_none_fails():
    assert applied(BACKUPS, {})[::2] == ([title for title, _ in BACKUPS], "done")
