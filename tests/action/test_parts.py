"""Steps about different things do not wait for each other's success."""

import pytest

from opsproof.action import Action, Step, Work
from opsproof.action.command import ActionRun, _apply
from opsproof.core.errors import NotRepaired, OpsproofError, StepFailed
from opsproof.inventory.hosts import Host


def applied(steps, failing):
    """What is done and said of steps of which some fail, and what is raised."""
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
    ("failing", "left_out"),
    [
        (["dump a"], ["dump a", "copy a to x", "copy a to y", "prune x", "prune a"]),
        (["copy a to x"], ["copy a to x", "prune x", "prune a"]),
        (["copy a to y", "dump b"], ["copy a to y", "dump b", "copy b to x", "prune a", "prune b"]),
        (["prune b"], ["prune b"]),
    ],
)
def test_what_does_not_depend_on_a_failed_step_is_done(failing, left_out):
    done, said, error = applied(BACKUPS, {each: StepFailed(f"{each} went wrong") for each in failing})
    assert done == [title for title, _ in BACKUPS if title not in left_out]
    assert isinstance(error, StepFailed)
    assert {f"{each} went wrong" for each in failing} == set(str(error).split("; "))
    assert sum("left out" in line for line in said) == len(left_out) - len(failing)


def test_without_parts_the_first_failure_is_the_last_step():
    steps = [(title, ()) for title in ("one", "two", "three")]
    done, said, error = applied(steps, {"two": NotRepaired("no")})
    assert (done, type(error), str(error)) == (["one"], NotRepaired, "no")
    assert len(said) == 1


def test_all_is_well_where_nothing_fails():
    assert applied(BACKUPS, {})[::2] == ([title for title, _ in BACKUPS], "done")
