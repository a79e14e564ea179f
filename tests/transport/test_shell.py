"""Commands on a host: quoting, timeouts, damaged answers, over local and ssh transports."""

import pytest
import testinfra
from testinfra.backend.local import LocalBackend

from lab import processes
from lab.waiting import wait_until
from opsproof.core.errors import CommandError, HostUnreachable, MeasurementError, OutputError
from opsproof.inventory.hosts import Host
from opsproof.transport import ssh
from opsproof.transport.shell import Answer, argv, run


def host(transport="local://", **fields):
    return Host(transport=transport, **fields).placed("vps", ())


def reason(target, *commands):
    """The message of HostUnreachable."""
    with pytest.raises(HostUnreachable) as caught:
        run(target, commands or (argv("true"),))
    return str(caught.value)


HOSTILE = ["", "a b", "'", '"', "$(id)", "`id`", "%s %d", "\\", "a\nb", "-n", "*", "ä€😀", ";&|<>", "@0", "a,b:c"]


@pytest.mark.parametrize("word", HOSTILE)
def test_arguments_are_passed_unchanged(word):
    (answer,) = run(host(), (argv("printf", "%s", word),))
    assert (answer.status, answer.stdout) == (0, word)


def test_answers_are_in_the_order_of_the_commands():
    script = "echo " + "x" * 200 + " $0; sleep $1"
    commands = [argv("sh", "-c", script, str(n), str(0.2 - n / 10)) for n in range(3)]
    assert [each.stdout.split()[1] for each in run(host(), tuple(commands))] == ["0", "1", "2"]


def test_clock_of_the_host_is_between_sent_and_received():
    (answer,) = run(host(), (argv("date", "+%s.%N"),))
    assert answer.sent <= float(answer.stdout) <= answer.received
    assert answer.now <= float(answer.stdout)


def test_undecodable_output_is_replaced():
    (answer,) = run(host(), (argv("printf", r"\377\000ok"),))
    assert answer.stdout == "\ufffd\x00ok"


def test_command_of_another_user_runs_with_sudo_n(tmp_path, script):
    script(tmp_path / "sudo", 'printf "%s\\n" "$*"')
    (answer,) = run(host(path=[str(tmp_path)]), (argv("id", "-u", user="deploy"),))
    assert answer.stdout == "-n -u deploy -- id -u\n"


def test_refused_sudo_raises(tmp_path, script):
    script(tmp_path / "sudo", "echo 'sudo: a password is required' >&2; exit 1")
    (answer,) = run(host(path=[str(tmp_path)]), (argv("id", user="deploy"),))
    with pytest.raises(CommandError, match=r"sudo: a password is required \(no line of `sudo -l` fits: .* path"):
        answer.require("id")


@pytest.mark.parametrize(
    ("answer", "error", "complaint"),
    [
        (
            Answer(127, "", "pm2: No such file or directory\n"),
            CommandError,
            "pm2 not found: pm2: No such file or directory",
        ),
        (
            Answer(126, "", "pm2: Permission denied\n"),
            CommandError,
            "pm2 ended with status 126: pm2: Permission denied",
        ),
        (Answer(124, "", flag="timeout", elapsed_s=10.02), CommandError, "pm2 gave no answer within 10 s"),
        (Answer(141, "x", flag="truncated"), OutputError, "pm2 printed more than 4 MiB"),
        (Answer(1, "", "first\nlast\n"), CommandError, "pm2 ended with status 1: last"),
        (Answer(137, ""), CommandError, "pm2 ended with status 137: no message"),
        (Answer(1, "", "x" * 1000), CommandError, "pm2 ended with status 1: " + "x" * 300),
    ],
)
def test_failed_command_raises_with_reason(answer, error, complaint):
    with pytest.raises(error) as caught:
        answer.require("pm2")
    assert str(caught.value) == complaint
    assert isinstance(caught.value, MeasurementError)


@pytest.mark.parametrize(("status", "statuses"), [(0, ()), (1, (0, 1)), (3, (3,))])
def test_expected_status_is_accepted(status, statuses):
    answer = Answer(status, "out")
    assert answer.require("pm2", *statuses) is answer


def test_status_zero_raises_if_not_expected():
    with pytest.raises(CommandError, match="ended with status 0"):
        Answer(0, "").require("grep", 1)


class Distorted(LocalBackend):
    """A local transport whose output is changed by `distort`."""

    def __init__(self, distort):
        super().__init__()
        self._distort = distort

    def run(self, command, *args, **kwargs):
        result = super().run(command, *args, **kwargs)
        return self.result(result.rc, b"", self._distort(result.stdout_bytes), result.stderr_bytes)


@pytest.fixture
def distorted(monkeypatch):
    def distort(change):
        monkeypatch.setattr(testinfra, "get_host", lambda *_, **__: testinfra.host.Host(Distorted(change)))

    return distort


@pytest.mark.parametrize("noise", [b"Welcome to vps!\n", b"opsproof 0123 1\n0 0 - 0 0\nend 0123\n", b"\xff\x00"])
def test_login_noise_before_the_frame_is_skipped(distorted, noise):
    distorted(lambda printed: noise + printed)
    assert [answer.stdout for answer in run(host(), (argv("echo", "ok"),))] == ["ok\n"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda printed: b"", "vps: the connection ended without an answer"),
        (lambda printed: b"Connection to vps closed.\n", "vps: Connection to vps closed."),
        (lambda printed: printed[: len(printed) // 2], "vps: the connection ended without an answer"),
        (lambda printed: printed[:-1], "vps: the connection ended without an answer"),
        (lambda printed: printed.replace(b"\n", b"\r\n"), "vps: the connection ended without an answer"),
        (lambda printed: printed.replace(b"first", b"fir"), "vps: the answer is incomplete"),
        (lambda printed: printed.replace(b" - ", b" "), "vps: the answer is incomplete"),
    ],
    ids=[
        "silent",
        "only noise",
        "first half",
        "last byte missing",
        "over a terminal",
        "with a gap",
        "with a torn head",
    ],
)
def test_damaged_answer_raises(distorted, change, complaint):
    distorted(change)
    assert reason(host(), argv("echo", "first"), argv("echo", "second")) == complaint


def test_missing_perl_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "perl: not found" in reason(host())


def test_hanging_transport_is_killed_with_its_children(monkeypatch, tmp_path, script):
    script(tmp_path / "perl", f"echo $$ > {tmp_path}/pid; /bin/sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT_S", -14.7)
    assert reason(host()) == "vps: no answer from local:// within 0 s"
    group = int((tmp_path / "pid").read_text())
    wait_until(lambda: all(processes.parent(each) != group for each in processes.pids()), "the children end", 5)


def test_hanging_gatherer_may_end_its_commands_before_the_kill(monkeypatch, tmp_path, script):
    """The shell around the gatherer ends at once."""
    script(tmp_path / "perl", f"trap '/bin/sleep 0.3; echo > {tmp_path}/ended; exit' TERM; /bin/sleep 60 & wait")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT_S", -13.7)
    assert reason(host()) == "vps: no answer from local:// within 1 s"
    assert (tmp_path / "ended").exists()


def test_unknown_host_name_is_one_line():
    message = reason(host("ssh://no-such-host.invalid"))
    assert "Could not resolve hostname" in message
    assert len(message.splitlines()) == 1


def test_closed_port_is_one_line(free_port):
    message = reason(host(f"ssh://root@127.0.0.1:{free_port}"))
    assert message == f"vps: ssh: connect to host 127.0.0.1 port {free_port}: Connection refused"


def test_arguments_are_passed_unchanged_over_ssh(sshd):
    answers = run(host(sshd), tuple(argv("printf", "%s", word) for word in HOSTILE))
    assert [(answer.status, answer.stdout) for answer in answers] == [(0, word) for word in HOSTILE]


def test_hundred_commands_fit_in_one_round_trip_over_ssh(sshd):
    commands = tuple(argv("sh", "-c", f"# {'long script ' * 2000}\necho $0", str(n)) for n in range(100))
    assert [answer.stdout for answer in run(host(sshd), commands)] == [f"{n}\n" for n in range(100)]


def test_wrong_key_is_one_line(sshd_server):
    sshd_server.close_connections()
    message = reason(host(sshd_server.spec("other_key")))
    assert message == f"vps: {sshd_server.user}@127.0.0.1: Permission denied (publickey)."
