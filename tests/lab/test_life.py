"""The lab starts, stops and heals, and leaves nothing behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from lab import Lab, LabError, lock, ports, processes
from lab.layout import REPOSITORY
from lab.waiting import wait_until
from tests.harness.extent import KILLS, moments
from tests.harness.killing import ending

pytestmark = pytest.mark.lab


def leftovers(lab):
    return [pid for pid in processes.pids() if processes.is_alive(pid) and str(lab.home) in processes.command(pid)]


def command(lab, *arguments):
    home = ["--home", str(lab.home)]
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments, *home],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def said():
    return []


@pytest.fixture
def again(lab, said):
    """The same lab, as a new command would use it; its messages go to `said`."""
    yield Lab(lab.home, say=said.append)
    lab.up()


def test_up_reports_already_up(again, said):
    again.up()

    assert "lab is already up" in said


def test_down_leaves_nothing_and_is_idempotent(again, said):
    again.down()
    again.down()

    assert leftovers(again) == []
    assert again.status().down
    again.up()
    assert not any("data folder made" in line for line in said)
    assert again.status().up


def test_old_logs_are_renewed_while_the_lab_runs(again, said, ask):
    folder = again.layout.logs
    for path in folder.glob("api-out__*"):
        path.rename(path.with_name(path.name.replace("__20", "__19")))
    again.up()

    assert "seven days of logs written" in "".join(said)
    assert len(list(folder.glob("api-out__20*"))) == len(list(folder.glob("api-out__*"))) == 7
    assert ask("/health").json()["status"] == "healthy"


def test_a_killed_postgres_is_healed(again, said, ask):
    os.kill(int((again._server.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    again.up()

    assert any(re.search("healing: .*postgres", line) for line in said)
    assert ask("/health").json()["status"] == "healthy"


def test_health_is_degraded_while_the_database_is_down(again, ask):
    again._server.stop()

    assert ask("/health").json()["status"] == "degraded"
    answer = ask("/api/health")
    assert (answer.status_code, len(answer.json()["errors"])) == (503, 1)
    assert ask("/api/health/ready").status_code == 503


def test_a_halted_database_is_noticed_and_healed(again, ask):
    for pid in again._server.pids():
        os.kill(pid, signal.SIGSTOP)

    assert ask("/health").json()["status"] == "degraded"
    again.up()
    assert again.status().up


def test_a_killed_pm2_is_healed(again, said):
    for pid in again._pm2.daemons():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not again._pm2.daemons(), "the daemon ends")
    again.up()

    assert any("healing: pm2" in line for line in said)
    assert len(again._pm2.daemons()) == 1


@pytest.mark.parametrize("name", ["meta-chat-api", "meta-chat-worker", "pm2-logrotate"])
def test_a_missing_process_is_healed(again, said, name):
    again.pm2("delete", name)
    again.up()

    assert any(line.startswith("healing") for line in said)
    assert again.status().up


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "halted"])
def test_a_broken_relay_is_healed(again, said, how):
    os.kill(again.relay.pid, how)
    assert not again.status().relay
    again.up()

    assert any("healing: relay" in line for line in said)
    assert again.status().up


def test_up_works_without_state_file(lab):
    lab.layout.state.unlink()
    lab.up()

    assert lab.status().up


def test_status_starts_nothing(again):
    again.down()

    assert again.status().down
    assert leftovers(again) == []


@pytest.mark.parametrize("which", ["api_port", "postgres_port"])
def test_port_in_use_is_refused_and_nothing_is_left_running(again, which):
    again.down()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        other = {"api_port": ports.free(), "postgres_port": ports.free()} | {which: port}
        with pytest.raises(LabError, match=rf"port {port} .* is in use by process {os.getpid()}"):
            Lab(again.home, **other).up()
    assert leftovers(again) == []


def test_other_ports_are_refused_while_the_lab_runs(lab):
    with pytest.raises(LabError, match="python -m lab down"):
        Lab(lab.home, ports.free(), ports.free()).up()


def test_two_commands_at_once_are_refused(lab):
    with lock.held(lab.layout.lock):
        process = command(lab, "up")
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 4
    assert "holds the lock" in output


@pytest.fixture(scope="module")
def start_s(lab):
    """The start time of a stopped lab, in seconds."""
    lab.down()
    began = time.monotonic()
    with ending(command(lab, "up")) as process:
        assert process.wait(60) == 0
    return time.monotonic() - began


@pytest.mark.kills
@pytest.mark.parametrize("number", range(KILLS))
def test_an_interrupted_up_leaves_nothing(start_s, again, note, number):
    moment = moments("lab up")[number]
    for sooner in (1, 0.5, 0.25):
        again.down()
        with ending(command(again, "up")) as process:
            time.sleep(moment * start_s * sooner)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
        note(f"lab up interrupted at {moment * sooner:.0%} of {start_s:.1f} s: exit {process.returncode}")
        if process.returncode not in {0, -signal.SIGTERM} or not again.status().up:
            break
        assert "lab is up" in output  # it was up before the signal came
    assert process.returncode in (130, -signal.SIGTERM), output
    wait_until(lambda: leftovers(again) == [], "nothing is left", 30)


def test_a_lost_application_folder_is_healed(again):
    shutil.rmtree(again.layout.app)
    again.up()

    assert again.status().up


def test_leftover_faults_are_switched_off(lab, ask):
    lab.faults(live=False, health="hang")
    lab.up()

    assert ask("/health").json()["status"] == "healthy"


def test_inventory_has_the_labs_home_and_ports(lab, tmp_path):
    text = lab.inventory(tmp_path / "lab.toml").read_text()

    assert f"127.0.0.1:{lab.api_port}/health" in text
    assert f'"{lab.home}/pm2"' in text
