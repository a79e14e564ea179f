"""The terminal shows each cause once, with its consequences and the hosts that share it."""

import pytest

from opsproof.core.verdicts import Remedy, Verdict
from opsproof.round.grouping import findings
from opsproof.round.terminal import _write


class Screen:
    def __init__(self):
        self.text = ""

    def write(self, text, **_):
        self.text += text

    def write_line(self, text, **_):
        self.text += text + "\n"


def verdict(check, host, sentence="used 90 % (limit < 80 %)", word="failed", causes=()):
    found = Verdict(f"{check}[{host}-x]", host, "x", word, sentence)
    found.causes, found.remedy = list(causes), Remedy(host, "df")
    return found


@pytest.fixture
def shown():
    def shown(*verdicts):
        screen = Screen()
        for each in findings(verdicts):
            _write(screen, each)
        return screen.text.splitlines()

    return shown


def test_consequences_follow_their_cause_without_a_remedy_of_their_own(shown):
    cause = verdict("test_online", "vps")
    others = [verdict(f"test_{number}", "vps", f"value {number}", causes=["test_online[vps-x]"]) for number in range(7)]
    assert shown(*others, cause) == [
        "FAILED  used 90 % (limit < 80 %)",
        "        test_online[vps-x]",
        "        next: on vps: df",
        "        explains 7 more findings:",
        *(f"          FAILED  value {number}" for number in range(5)),
        "          and 2 more, in the report",
    ]


def test_finding_of_many_hosts_is_shown_once(shown):
    lines = shown(*(verdict("test_disk", f"vps-{number}", f"used 9{number} %") for number in range(9)))
    assert lines[:3] == ["FAILED  used 90 %", "        test_disk[vps-0-x]", "        next: on vps-0: df"]
    assert lines[3:] == [
        *(f"        also on vps-{number}: used 9{number} %" for number in range(1, 6)),
        "        and on 3 more hosts, named in the report",
    ]


def test_few_hosts_without_the_finding_are_named(shown):
    bad = [verdict("test_disk", f"vps-{number}") for number in range(4)]
    assert shown(*bad, verdict("test_disk", "vps-9", word="passed"))[-1] == "        not on vps-9"


def test_same_sentence_is_said_once(shown):
    lines = shown(verdict("test_one", "vps", "no answer"), verdict("test_two", "vps", "no answer"))
    assert lines[-2:] == ["        explains 1 more finding:", "          FAILED  test_two[vps-x]"]


def test_control_characters_of_a_host_are_replaced(shown):
    assert "\x1b" not in "".join(shown(verdict("test_one", "vps", "a\x1b[31mb"), verdict("test_\x1b", "vps", "c\x1b")))
