import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import CommandError, OutputError
from opsproof.facts.machine import ClockOffset, ClockSynchronised, Load, Memory, MemoryUse, OomKills, Reboot
from opsproof.inventory.resources import Clock
from opsproof.transport.shell import Answer


def test_memory_is_kernels_estimate(recorded):
    memory = Memory().parse(recorded("meminfo.txt"), None)
    assert 90 < memory.available < 100
    assert memory.swap_used == 0


def test_swap_used_is_a_share_of_total():
    text = "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 400 kB\nSwapFree: 300 kB\nHugePages_Total: 0\n"
    assert Memory().parse(Answer(0, text), None) == MemoryUse(25, 25)


@pytest.mark.parametrize("missing", ["MemTotal", "MemAvailable", "SwapTotal"])
def test_memory_with_missing_figure_raises(recorded, missing):
    lines = recorded("meminfo.txt").stdout.splitlines()
    text = "\n".join(line for line in lines if not line.startswith(missing))
    with pytest.raises(KeyError):
        Memory().parse(Answer(0, text), None)


def test_load_is_the_five_minute_average_by_processor(recorded):
    assert Load().parse(recorded("loadavg_and_stat.txt"), None) == pytest.approx(1.92 / 2)


def test_oom_kills_count_since_boot(recorded):
    counter = OomKills().parse(recorded("vmstat_and_stat.txt", now=1795600500.0), None)
    assert counter == Counter(6, 1795598885, 1795600500, reborn="the host was restarted")


@pytest.mark.parametrize("missing", ["oom_kill", "btime"])
def test_oom_kills_without_counter_or_boot_time_raise(recorded, missing):
    lines = recorded("vmstat_and_stat.txt").stdout.splitlines()
    with pytest.raises(KeyError):
        OomKills().parse(Answer(0, "\n".join(line for line in lines if not line.startswith(missing))), None)


@pytest.mark.parametrize(("found", "pending"), [("/run\n", False), ("/run\n/run/reboot-required\n", True)])
def test_reboot_is_pending_if_flag_file_exists(found, pending):
    assert Reboot().parse(Answer(0, found), None) is pending


@pytest.mark.parametrize("found", ["", "/run/reboot-required\n", "/run/reboot-required.pkgs\n"])
def test_find_without_run_in_output_raises(found):
    with pytest.raises(OutputError, match="find did not list /run"):
        Reboot().parse(Answer(0, found), None)


@pytest.mark.parametrize(
    ("output", "sent", "received", "away"),
    [
        ("100.5", 100, 101, 0),
        ("100", 100, 101, 0),
        ("95", 100, 101, 5),
        ("111", 100, 101, 10),
        ("99.75", 100, 160, 0.25),
    ],
)
def test_clock_difference_excludes_transit_time(output, sent, received, away):
    assert ClockOffset().parse(Answer(0, output, sent=sent, received=received), None) == away


def test_the_recorded_date_is_read(recorded):
    answer = recorded("date.txt", sent=1795473400.0, received=1795473427.0)
    assert ClockOffset().parse(answer, None) == pytest.approx(0.14, abs=0.001)


@pytest.mark.parametrize(
    ("service", "answer", "synchronised"),
    [
        ("chrony", "chronyc_normal.csv", True),
        ("chrony", "chronyc_not_synchronised.csv", False),
    ],
)
def test_chrony_status_is_parsed(recorded, service, answer, synchronised):
    assert ClockSynchronised().parse(recorded(answer), "", Clock(service=service)) is synchronised


@pytest.mark.parametrize(("text", "synchronised"), [("yes\n", True), ("no\n", False)])
def test_timedated_status_is_parsed(text, synchronised):
    assert ClockSynchronised().parse(Answer(0, text), "", Clock(service="timedatectl")) is synchronised


def test_missing_system_bus_raises(recorded):
    with pytest.raises(CommandError, match="timedatectl ended with status 1: Failed to connect to bus: Host is down"):
        ClockSynchronised().parse(recorded("timedatectl_no_bus.txt", 1), "", Clock(service="timedatectl"))
