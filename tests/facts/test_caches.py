"""Redis figures from the real program: with recorded answers, hostile answers and a real server."""

import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from opsproof.core.counters import Counter, increase_since
from opsproof.core.errors import Absent, CommandError, MeasurementError, OutputError
from opsproof.facts.caches import CacheStates
from opsproof.inventory.hosts import Host
from opsproof.inventory.services import Cache
from opsproof.transport.shell import Answer, run

SECRET = "hunter2"
INFO = {
    "time": "1795600330", "uptime_in_seconds": "391", "used_memory": "50", "maxmemory": "200",
    "maxmemory_policy": "noeviction", "rdb_changes_since_last_save": "0", "rdb_last_save_time": "1795599939",
    "rdb_last_bgsave_status": "ok", "aof_enabled": "0", "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok", "rejected_connections": "3", "evicted_keys": "4",
}  # fmt: skip


def report(**fields):
    lines = "".join(f"{name}:{value}\n" for name, value in {**INFO, **fields}.items())
    return CacheStates().parse(Answer(0, lines), "redis", None).report


# Parsing.


def test_report_holds_figures_of_info():
    found = report()
    assert (found.memory_used, found.policy, found.save_age_s, found.failed_saves) == (25, "noeviction", 0, ())
    assert found.rejected == Counter(3, 1795599939, 1795600330, reborn="Redis was restarted")
    assert found.evicted.value == 4


def test_memory_share_is_absent_without_maxmemory():
    with pytest.raises(Absent, match="maxmemory is not set"):
        _ = report(maxmemory="0").memory_used


@pytest.mark.parametrize(
    ("fields", "age_s"),
    [
        ({"rdb_changes_since_last_save": "1"}, 391),
        ({"rdb_changes_since_last_save": "0"}, 0),
        ({"rdb_changes_since_last_save": "1", "aof_enabled": "1"}, 0),
        ({"rdb_changes_since_last_save": "1", "rdb_last_save_time": "1795600331"}, 0),
    ],
    ids=["written since", "nothing written since", "append-only file", "saved within this second"],
)
def test_save_age_counts_only_with_unsaved_writes(fields, age_s):
    assert report(**fields).save_age_s == age_s


def test_save_dated_in_the_future_is_unknown():
    with pytest.raises(OutputError, match="the last snapshot is dated in the future"):
        report(rdb_changes_since_last_save="1", rdb_last_save_time="1795700000")


@pytest.mark.parametrize(
    ("fields", "failures"),
    [
        ({"rdb_last_bgsave_status": "err"}, ("the last save failed",)),
        ({"aof_last_write_status": "err", "aof_last_bgrewrite_status": "err"}, ()),
        (
            {"aof_enabled": "1", "aof_last_write_status": "err", "aof_last_bgrewrite_status": "err"},
            (
                "the last write to the append-only file failed",
                "the last rewrite of the append-only file failed",
            ),
        ),
    ],
)
def test_failed_save_is_reported_only_if_current(fields, failures):
    assert report(**fields).failed_saves == failures


@pytest.mark.parametrize("field", INFO)
def test_report_with_missing_field_raises(field):
    judged = {"aof_enabled": "1"} if field.startswith("aof_last_") else {"rdb_changes_since_last_save": "1"}
    lines = "".join(f"{name}:{value}\n" for name, value in {**INFO, **judged}.items() if name != field)
    with pytest.raises(KeyError):
        CacheStates().parse(Answer(0, lines), "redis", None)


# The program, against a scripted server.


class Server:
    """Answers each command with the next scripted answer, and records commands; None hangs."""

    def __init__(self, *answers):
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.received = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError), self._socket.accept()[0] as connection:
            for answer in self._answers:
                self.received += connection.recv(65536)
                if answer is None:
                    time.sleep(3)
                else:
                    connection.sendall(answer)

    def close(self):
        self._socket.close()


def bulk(text):
    return f"${len(text)}\r\n{text}\r\n".encode()


@pytest.fixture
def info(recorded):
    """A recorded answer to INFO with changes, in wire format."""

    def info(name="redis_7_info.txt", without="nothing", **fields):
        lines = [line for line in recorded(name).stdout.splitlines() if not line.startswith(f"{without}:")]
        text = "\r\n".join(lines) + "\r\n"
        for field, value in fields.items():
            text = re.sub(rf"^{field}:.*$", f"{field}:{value}\r", text, flags=re.MULTILINE)
        return bulk(text)

    return info


@pytest.fixture
def netrc(tmp_path):
    def netrc(text=f"machine 127.0.0.1 login monitor password {SECRET}\n"):
        path = tmp_path / "redis.netrc"
        path.write_text(text)
        return str(path)

    return netrc


@pytest.fixture
def ask():
    """Raw output of the real program, checked for passwords."""

    def ask(port, **fields):
        cache = Cache.model_validate({"port": port, "timeout": "5s", **fields})
        host = Host(transport="local://").placed("vps", ())
        command = CacheStates().command(host, "redis", cache)
        (answer,) = run(host, (command,))
        assert SECRET not in " ".join(command.argv) + answer.stdout + answer.stderr
        return answer

    return ask


@pytest.fixture
def serve():
    opened = []

    def serve(*answers):
        opened.append(Server(*answers))
        return opened[-1]

    yield serve
    for each in opened:
        each.close()


def state(answer):
    return CacheStates().parse(answer, "redis", None)


@pytest.mark.parametrize(("name", "born"), [("redis_7_info.txt", 1795599939), ("redis_8_info.txt", 1795600293)])
def test_every_recorded_redis_version_is_parsed(serve, ask, info, name, born):
    found = state(ask(serve(b"+PONG\r\n", info(name)).port)).report
    assert (found.policy in {"noeviction", "allkeys-lru"}, found.failed_saves) == (True, ())
    assert found.rejected == Counter(0, born, 1795600330, reborn="Redis was restarted")
    assert 0 < found.memory_used < 100


def test_other_info_fields_stay_on_the_host(serve, ask, info):
    answer = ask(serve(b"+PONG\r\n", info(evicted_keys=f"{SECRET} x")).port)
    assert {line.partition(":")[0] for line in answer.stdout.splitlines()} == INFO.keys() - {"evicted_keys"}


def test_old_redis_uses_clock_of_host(serve, ask, info):
    answers = [info(without="server_time_usec") for _ in range(5)]
    before = int(time.time())
    found = state(ask(serve(b"+PONG\r\n", *answers).port)).report
    assert before <= found.rejected.now <= time.time()
    assert found.rejected.born == found.rejected.now - 391


@pytest.mark.parametrize("microseconds", ["000000", "500000", "999999"])
def test_server_start_time_does_not_jitter(serve, ask, info, microseconds):
    time_and_uptime = {"server_time_usec": f"1795600340{microseconds}", "uptime_in_seconds": "401"}
    later = state(ask(serve(b"+PONG\r\n", info(rejected_connections="2", **time_and_uptime)).port)).report.rejected
    earlier = state(ask(serve(b"+PONG\r\n", info()).port)).report.rejected
    assert (later.born, increase_since(later, earlier)) == (earlier.born, 2)


@pytest.mark.parametrize(
    ("answers", "silence"),
    [
        ([], "connection closed without an answer"),
        ([b"-LOADING Redis is loading the dataset in memory\r\n"], "loading its data"),
        ([b"-ERR max number of clients reached\r\n"], "all connections are in use"),
        ([b"-BUSY Redis is busy running a script.\r\n"], "busy with a script"),
        ([b"-MASTERDOWN Link with MASTER is down\r\n"], "replica without a master"),
        ([b"-DENIED Redis is running in protected mode\r\n"], "in protected mode"),
        ([b"+PONG\r\n"], "connection closed without an answer"),
        ([b"+PONG\r\n", b"$5000\r\n# Server\r\n"], "connection closed without an answer"),
        ([None], "no answer within 1 s"),
        ([b"+PON", None], "no answer within 1 s"),
    ],
    ids=["closes", "loading", "full", "script", "replica", "protected", "ends", "breaks off", "hangs", "stalls"],
)
def test_server_that_rejects_clients_is_silent(serve, ask, answers, silence):
    found = state(ask(serve(*answers).port, timeout="900ms" if None in answers else "5s"))
    assert found.silence == silence
    with pytest.raises(MeasurementError, match=f"Redis does not answer: {silence}"):
        _ = found.report


def test_closed_port_and_unknown_name_are_silent(ask, free_port):
    assert state(ask(free_port)).silence == "connection refused"
    assert state(ask(free_port, address="redis.invalid")).silence == "host name cannot be resolved"


def test_every_address_of_a_name_is_tried(serve, ask, info):
    assert state(ask(serve(b"+PONG\r\n", info()).port, address="localhost")).silence == ""


def test_server_that_refuses_writes_still_answers(serve, ask, info):
    refusal = b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to\r\n"
    found = state(ask(serve(refusal, info(rdb_last_bgsave_status="err")).port))
    assert (found.silence, found.report.failed_saves) == ("", ("the last save failed",))


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([b"-NOAUTH Authentication required.\r\n"], "the server requires a password"),
        ([b"+OK\r\n", b"-NOPERM this user has no permissions\r\n"], "the user lacks the rights"),
        ([b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"], "the server refuses the login"),
        ([f"-ERR unknown command 'AUTH', with args beginning with: '{SECRET}'\r\n".encode()], "answers with an error"),
        ([f"-{SECRET.upper()}\r\n".encode()], "answers with an error"),
        ([f"+{SECRET}\r\n".encode()], "not a Redis server"),
        ([f"HTTP/1.1 400 Bad Request\r\n\r\n{SECRET}".encode()], "not a Redis server"),
        ([b"+OK\r\n", b"+OK\r\n"], "not a Redis server"),
        ([b"+OK\r\n", b"+PONG\r\n", b"+PONG\r\n"], "not a Redis server"),
        ([b"+OK\r\n", b"+PONG\r\n", b"$-1\r\n"], "not a Redis server"),
        ([b"+OK\r\n", b"+PONG\r\n", b"$99999999\r\n" + b"x" * (2 << 20)], "the answer is too long"),
        ([b"x" * (2 << 20)], "the answer is too long"),
    ],
)
def test_login_and_protocol_errors_are_measurement_errors(serve, ask, netrc, answers, complaint):
    with pytest.raises(CommandError, match=complaint):
        state(ask(serve(*answers).port, netrc=netrc()))


@pytest.mark.parametrize("text", ["", "$2\r\nhi\r\n", "$0\r\n\r\n"])
def test_empty_answer_raises(serve, ask, text):
    with pytest.raises((CommandError, KeyError)):
        state(ask(serve(b"+PONG\r\n", text.encode() or bulk("# Server\r\n")).port))


def words(*arguments):
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in arguments)


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("machine 127.0.0.1 login monitor password hunter2", [b"monitor", b"hunter2"]),
        ("machine 127.0.0.1\n  password hunter2\n", [b"hunter2"]),
        ("default login monitor password hunter2", [b"monitor", b"hunter2"]),
        ("machine other login x password y machine 127.0.0.1 login m password hunter2", [b"m", b"hunter2"]),
        ("machine 127.0.0.1 password hunter2 machine other login x password y", [b"hunter2"]),
        ("# machine 127.0.0.1 password old\nmachine 127.0.0.1 password hunter2", [b"hunter2"]),
        ('machine 127.0.0.1 login "a b" password "hunter2\\"\\\\ c"', [b"a b", b'hunter2"\\ c']),
        ("machine 127.0.0.1 password hunter2ł\n", [b"hunter2\xc5\x82"]),
    ],
)
def test_login_is_read_from_matching_netrc_entry(serve, ask, netrc, text, login):
    server = serve(b"+OK\r\n", b"-LOADING\r\n")
    assert state(ask(server.port, netrc=netrc(text))).silence == "loading its data"
    assert server.received == words(b"AUTH", *login) + words(b"PING")


@pytest.mark.parametrize("text", ["", "hunter2", "machine other password hunter2", "machine 127.0.0.1 login hunter2"])
def test_netrc_without_password_is_a_measurement_error(ask, netrc, free_port, text):
    with pytest.raises(CommandError, match=r"redis\.netrc holds no password for 127\.0\.0\.1"):
        state(ask(free_port, netrc=netrc(text)))


def test_unreadable_netrc_is_a_measurement_error(ask, tmp_path, free_port):
    with pytest.raises(CommandError, match="No such file or directory"):
        state(ask(free_port, netrc=str(tmp_path / "missing")))
    with pytest.raises(CommandError, match="Is a directory"):
        state(ask(free_port, netrc=str(tmp_path)))


# A real server, if installed.


@pytest.fixture
def redis(tmp_path, free_port):
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    places = ["--port", str(free_port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--maxmemory", "64mb"]
    users = ["--user", "monitor", "on", f">{SECRET}", "-@all", "+ping", "+info", "--user", "default", "off"]
    with subprocess.Popen([program, *places, *users], stdout=subprocess.DEVNULL) as process:
        yield free_port, process
        process.kill()


def test_real_server_answers_a_user_with_minimal_rights(redis, ask, netrc):
    port, _ = redis
    deadline = time.monotonic() + 5
    while state(ask(port, netrc=netrc())).silence and time.monotonic() < deadline:
        time.sleep(0.05)
    found = state(ask(port, netrc=netrc())).report
    assert (found.max_memory_bytes, found.failed_saves, found.save_age_s) == (64 << 20, (), 0)
    assert found.rejected.born == pytest.approx(time.time(), abs=10)
    with pytest.raises(CommandError, match="the server requires a password"):
        state(ask(port))


def test_program_needs_only_perl_base():
    command = CacheStates().command(Host(transport="local://"), "redis", Cache())
    assert re.findall(r"^\s*(?:use|require)\s+(\w+)", command.argv[2], re.MULTILINE) == ["strict", "warnings", "Socket"]
