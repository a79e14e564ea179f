import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import CommandError, OutputError
from opsproof.facts.machine import ClockDifference, ClockSynchronised, Load, Memory, MemoryUse, OomKills, Reboot
from opsproof.inventory.resources import Clock
from opsproof.transport.shell import Answer


def test_memory_is_what_the_kernel_says_is_available(recorded):
    memory = Memory().parse(recorded("meminfo.txt"), None)
    assert 90 < memory.available < 100
    assert memory.swap_used == 0


def test_swap_in_use_is_a_share_of_what_there_is():
    text = "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 400 kB\nSwapFree: 300 kB\nHugePages_Total: 0\n"
    assert Memory().parse(Answer(0, text), None) == MemoryUse(25, 25)


@pytest.mark.parametrize("missing", ["MemTotal", "MemAvailable", "SwapTotal"])
def test_memory_without_one_of_its_figures_is_not_read(recorded, missing):
    lines = recorded("meminfo.txt").stdout.splitlines()
    text = "\n".join(line for line in lines if not line.startswith(missing))
    with pytest.raises(KeyError):
        Memory().parse(Answer(0, text), None)


def test_load_is_the_five_minute_average_by_processor(recorded):
    assert Load().parse(recorded("loadavg_and_stat.txt"), None) == pytest.approx(1.92 / 2)


def test_kills_for_memory_are_counted_since_the_kernel_started(recorded):
    counter = OomKills().parse(recorded("vmstat_and_stat.txt", now=1795600500.0), None)
    assert counter == Counter(6, 1795598885, 1795600500, reborn="the host was restarted")


@pytest.mark.parametrize("missing", ["oom_kill", "btime"])
def test_kills_without_their_counter_or_its_beginning_are_not_counted(recorded, missing):
    lines = recorded("vmstat_and_stat.txt").stdout.splitlines()
    with pytest.raises(KeyError):
        OomKills().parse(Answer(0, "\n".join(line for line in lines if not line.startswith(missing))), None)


@pytest.mark.parametrize(("found", "pending"), [("/run\n", False), ("/run\n/run/reboot-required\n", True)])
def test_a_reboot_is_pending_when_its_flag_is_there(found, pending):
    assert Reboot().parse(Answer(0, found), None) is pending


@pytest.mark.parametrize("found", ["", "/run/reboot-required\n", "/run/reboot-required.pkgs\n"])
def test_a_find_that_did_not_look_says_nothing_of_a_reboot(found):
    with pytest.raises(OutputError, match="find did not list /run"):
        Reboot().parse(Answer(0, found), None)


@pytest.mark.parametrize(
    ("said", "sent", "received", "away"),
    [
        ("100.5", 100, 101, 0),
        ("100", 100, 101, 0),
        ("95", 100, 101, 5),
        ("111", 100, 101, 10),
        ("99.75", 100, 160, 0.25),
    ],
)
def test_a_clock_is_away_only_as_far_as_is_sure(said, sent, received, away):
    assert ClockDifference().parse(Answer(0, said, sent=sent, received=received), None) == away


def test_the_recorded_date_is_read(recorded):
    answer = recorded("date.txt", sent=1795473400.0, received=1795473427.0)
    assert ClockDifference().parse(answer, None) == pytest.approx(0.14, abs=0.001)


@pytest.mark.parametrize(
    ("service", "answer", "synchronised"),
    [
        ("chrony", "chronyc_normal.csv", True),
        ("chrony", "chronyc_not_synchronised.csv", False),
    ],
)
def test_chrony_says_whether_it_follows_its_sources(recorded, service, answer, synchronised):
    assert ClockSynchronised().parse(recorded(answer), "", Clock(service=service)) is synchronised


@pytest.mark.parametrize(("text", "synchronised"), [("yes\n", True), ("no\n", False)])
def test_timedated_says_yes_or_no(text, synchronised):
    assert ClockSynchronised().parse(Answer(0, text), "", Clock(service="timedatectl")) is synchronised


def test_no_system_bus_is_no_answer(recorded):
    with pytest.raises(CommandError, match="timedatectl ended with status 1: Failed to connect to bus: Host is down"):
        ClockSynchronised().parse(recorded("timedatectl_no_bus.txt", 1), "", Clock(service="timedatectl"))
