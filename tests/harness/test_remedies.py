"""Wrong remedies are reported: those that do nothing, heal something else, hang, or show the wrong thing.

The tests use a fake lab: a folder, in which each file is something broken.
"""

import os
from contextlib import contextmanager, nullcontext

import pytest

from lab.fault import Fault
from lab.settling import Settling
from tests.proving import Ground, terminal
from tests.proving.remedies import Excuses, Remedy, Trial

DISK, QUEUE = "test_disk[one]", "test_queue[one]"
BROKEN = {DISK: "disk", QUEUE: "queue"}


class World:
    """A check fails while its file exists."""

    def __init__(self, folder, remedies):
        self.folder = folder
        self.printed = remedies
        self.remedies = {}
        self.settling = Settling()
        self.recovered = 0

    def only(self, checks, wrapper=()):
        verdicts = {
            test: "failed" if (self.folder / name).exists() else "passed"
            for test, name in BROKEN.items()
            if test.partition("[")[0] in checks
        }
        self.remedies = {test: self.printed[test] for test, verdict in verdicts.items() if verdict == "failed"}
        return verdicts

    def run(self, remedy, wrapper):
        words = [*wrapper, "bash", "-c", remedy.command]
        return terminal.run(words, self.folder, os.environ, {"Password:": "secret"}, limit_s=2)

    def recover(self):
        self.recovered += 1


def fault(*tests, shows=""):
    @contextmanager
    def breaks(world):
        for test in tests:
            (world.folder / BROKEN[test]).write_text(f"{BROKEN[test]} orders-17 is broken\n")
        yield
        for test in tests:
            (world.folder / BROKEN[test]).unlink()

    expected = dict.fromkeys(tests, "failed")
    seen = {"*": shows} if shows else {}
    return Fault("fault", breaks, expected, {}, frozenset(), (), root=False, touches=frozenset(), shows=seen)


@pytest.fixture
def trial(tmp_path):
    def of(excuses=None, **remedies):
        names = {"disk": DISK, "queue": QUEUE}
        world = World(tmp_path, {names[name]: text for name, text in remedies.items()})
        ground = Ground("world", world, lambda _: nullcontext(), world.recover)
        return Trial(ground, world, world.run, Excuses(**(excuses or {})), patience_s=0)

    return of


def problem(trial, fault):
    with pytest.raises(AssertionError) as raised:
        trial.of(fault)
    return str(raised.value)


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        ("chmod go= disk", "the finding remains"),
        ("chmod go= disk && touch other && rm other", "the finding remains"),
        ('chmod go= disk && rm "${NOWHERE:?}/disk"', "NOWHERE"),
        ("chmod go= disk && sleep 60", "hangs"),
        ("chmod go= disk && seq 100 | less", "hangs"),
        ("chmod go= disk && rm disk && exit 3", "exit status 3"),
        ("opsproof-has-no-such-program", "exit status 127"),
    ],
    ids=["does nothing", "heals something else", "unset variable", "hangs", "pager", "fails", "unknown program"],
)
def test_wrong_remedy_is_reported(trial, command, reported):
    assert reported in problem(trial(disk=command), fault(DISK))


def test_remedy_takes_the_place_of_the_healing(trial):
    tried = trial(disk="on one: chmod go= disk && rm disk  # removes the file")
    tried.of(fault(DISK))
    assert tried.ground.lab.recovered == 1
    assert [each.problem for each in tried.tried] == [""]


def test_each_remedy_must_end_its_own_finding(trial):
    said = problem(trial(disk="chmod go= disk && rm disk", queue="chmod go= queue && rm -f disk"), fault(DISK, QUEUE))
    assert "1 of 2 remedies" in said
    assert "test_queue[one]" in said


@pytest.mark.parametrize(
    ("command", "reported"),
    [
        ("echo all is well", "shows no orders-17"),
        ("echo orders-17", "on the healthy lab too"),
        ("cat missing", "exit status 1"),
        ("true", "shows no orders-17"),
    ],
    ids=["shows nothing broken", "shows the same on the healthy lab", "fails", "prints nothing"],
)
def test_look_at_the_wrong_thing_is_reported(trial, command, reported):
    assert reported in problem(trial(disk=command), fault(DISK, shows="orders-17"))


def test_look_must_have_a_name_to_show(trial):
    assert "names nothing" in problem(trial(disk="cat disk"), fault(DISK))


def test_look_shows_the_broken_object_and_answers_a_prompt(trial):
    asks = "read -rsp Password: word < /dev/tty; test $word = secret && if test -e disk; then cat disk; fi"
    trial(disk=asks).of(fault(DISK, shows="orders-17"))


def test_program_measures_the_width_of_the_terminal(tmp_path):
    asks = r"""stty raw -echo
    printf '\033[6n'; read -rd R start
    printf '\033[999C\033[6n'; read -rd R end
    stty sane; echo "from ${start#*;} to ${end#*;}" """
    assert "from 1 to 200" in terminal.run(["bash", "-c", asks], tmp_path, os.environ, {}, limit_s=5).output


def test_finding_without_a_remedy_is_reported(trial):
    assert "without a remedy" in problem(trial(disk=""), fault(DISK))


@pytest.mark.parametrize("kind", ["not_run", "not_judged"])
def test_excused_remedy_is_counted_with_its_reason(trial, kind):
    tried = trial({kind: {"^fault: test_disk": "no larger disk at hand"}}, disk="chmod go= disk")
    tried.of(fault(DISK))
    assert [(each.reason, each.ran is None) for each in tried.tried] == [("no larger disk at hand", kind == "not_run")]


def test_excused_remedy_must_still_end_with_0(trial):
    tried = trial({"not_judged": {"test_disk": "no larger disk at hand"}}, disk="chmod go= disk && false")
    assert "exit status 1" in problem(tried, fault(DISK))


def test_error_of_the_broken_thing_itself_counts_as_its_answer(trial):
    trial(disk="ls disk && ls no-orders-17").of(fault(DISK, shows="^disk$"))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (".venv/bin/python actions/backup.py --host lab --apply", True),
        (".venv/bin/python actions/drop_indexes.py --host lab --index i", False),
        ("psql --dbname=a -c 'ALTER SYSTEM SET fsync = on'", True),
        ("psql --dbname=a -c 'SHOW fsync'", False),
        ("on vps: sudo -u deploy env PM2_HOME=/home/deploy/.pm2 pm2 restart api", True),
        ("on vps: sudo -u deploy env PM2_HOME=/home/deploy/.pm2 pm2 list", False),
        ("on vps: sudo docker update --restart unless-stopped redis", True),
        ("on vps: sudo docker ps --all", False),
        ("on vps: sudo mount /mnt/data", True),
    ],
)
def test_remedies_that_change_something_are_told_from_looks(text, changes):
    assert Remedy(DISK, text).changes is changes
