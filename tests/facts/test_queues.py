import json
import time
from http.server import BaseHTTPRequestHandler

import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, CommandError, MeasurementError, OutputError
from opsproof.facts.queues import BrokerStatus, Queues, StreamConsumers
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, run
from tests.harness.pages import served

LOST = "tenant.ten00026.channel.webchat.inbound.queue"
BUSY = "tenant.ten00024.channel.whatsapp.inbound.queue"
REFUSED = Answer(7, "\n000 0.000100 ", "curl: (7) Failed to connect")


def declared(**broker):
    queues = {"inbound": {"pattern": "tenant.*.inbound.queue"}, "letters": {"pattern": "*.dead-letter"}}
    fields = {"url": "http://127.0.0.1:15672", "netrc": "/home/ops/netrc", **broker}
    return Host.model_validate({"transport": "local://", "broker": fields, "queues": queues}).placed("vps", ())


HOST = declared()


def page(status, body):
    return Answer(0, f"{body if isinstance(body, str) else json.dumps(body)}\n{status} 0.002 ", now=1795600330.0)


def queue(name="tenant.x.inbound.queue", **fields):
    counts = {"consumers": 1, "messages_ready": 0, "messages_unacknowledged": 0}
    return {"name": name, "exclusive": False, "state": "running", **counts, **fields}


def listed(*entries):
    return Queues().parse(page(200, list(entries)), HOST)


# Queues, as RabbitMQ 3.10 and 4 list them.


def test_consumers_and_messages_count_by_queue(recorded):
    found = Queues().parse(recorded("rabbitmq_3_queues.txt", now=5.0), HOST)
    assert (found["inbound"].unconsumed, len(found["inbound"].names)) == ([LOST], 9)
    assert (found["inbound"].ready.largest, found["inbound"].ready.top) == (4, [f"4 in {LOST}"])
    assert found["inbound"].unacknowledged.top == [f"2 in {BUSY}"]
    assert found["letters"].messages.total == 3
    assert found["letters"].growth == Counter(3, 0.0, 5.0, falls=True)


def test_exclusive_queues_need_not_be_declared(recorded):
    assert Queues().parse(recorded("rabbitmq_3_queues.txt"), HOST).undeclared == ["left-over"]
    found = Queues().parse(recorded("rabbitmq_4_queues.txt"), HOST)
    assert (found.undeclared, len(found.entries), len(found["inbound"].names)) == ([], 12, 6)
    assert found["inbound"].unconsumed == []
    assert listed(queue("amq.gen-x"), queue("reply", exclusive=True), queue("Tenant.x.inbound.queue")).undeclared == [
        "Tenant.x.inbound.queue"
    ]


def test_a_pattern_without_queues_is_absent():
    with pytest.raises(Absent, match=r"no queue matches tenant\.\*\.inbound\.queue \(pattern inbound\)"):
        listed(queue("other"))["inbound"]
    with pytest.raises(Absent, match="no queue matches"):
        listed()["letters"]


@pytest.mark.parametrize("count", ["unconsumed", "ready", "unacknowledged", "messages", "growth"])
def test_queue_not_counted_yet_is_unknown(recorded, count):
    found = Queues().parse(recorded("rabbitmq_3_queues_starting.txt"), HOST)
    assert (len(found["inbound"].names), found.undeclared) == (9, ["left-over"])
    with pytest.raises(MeasurementError, match=r"^tenant\..* is not counted yet: its \w+( \w+)? are unknown$"):
        getattr(found["inbound"], count)


def test_stopped_queue_has_no_consumers_despite_old_counts(recorded):
    found = Queues().parse(recorded("rabbitmq_3_queues_stopped.txt"), HOST)["inbound"]
    assert len(found.unconsumed) == 9
    assert {line.rpartition(" is ")[2] for line in found.unconsumed} == {"stopped"}
    with pytest.raises(MeasurementError, match="is stopped: its messages ready are unknown"):
        _ = found.ready


@pytest.mark.parametrize(
    ("state", "unconsumed"),
    [
        ("running", []),
        ("idle", []),
        ("flow", []),
        ("down", ["tenant.x.inbound.queue is down"]),
        ("crashed", ["tenant.x.inbound.queue is crashed"]),
        ("minority", ["tenant.x.inbound.queue is minority"]),
    ],
)
def test_queue_state_decides_whether_consumers_count(state, unconsumed):
    assert listed(queue(state=state))["inbound"].unconsumed == unconsumed


@pytest.mark.parametrize("state", ["timeout", "recovering", None, []])
def test_unknown_queue_state_is_unknown(state):
    with pytest.raises(MeasurementError, match="its consumers are unknown"):
        _ = listed(queue(state=state))["inbound"].unconsumed


@pytest.mark.parametrize(
    ("key", "count"),
    [("consumers", "unconsumed"), ("messages_ready", "growth"), ("messages_unacknowledged", "messages")],
)
def test_running_queue_without_count_is_unknown(key, count):
    short = queue()
    del short[key]
    with pytest.raises(MeasurementError, match=f"the broker has not counted the {key.replace('_', ' ')} of tenant.x"):
        getattr(listed(queue("tenant.a.inbound.queue"), short)["inbound"], count)


def test_five_fullest_queues_are_listed():
    entries = [queue(f"tenant.{n}.inbound.queue", messages_ready=n) for n in (3, 0, 7, 1, 9, 2, 5)]
    ready = listed(*entries)["inbound"].ready
    assert [line.partition(" ")[0] for line in ready.top] == ["9", "7", "5", "3", "2"]
    assert (ready.largest, ready.total) == (9, 27)


@pytest.mark.parametrize("entry", [{"exclusive": False}, {"name": "x"}, "x", None])
def test_malformed_queue_raises(entry):
    with pytest.raises((KeyError, TypeError)):
        listed(entry)


# The broker.


@pytest.mark.parametrize("name", ["rabbitmq_3_nodes.txt", "rabbitmq_4_nodes.txt"])
def test_healthy_broker_has_no_complaint_and_no_alarm(recorded, name):
    found = BrokerStatus().parse(recorded(name), HOST)
    assert (found.silence, found.complaint, found.alarms) == ("", "", [])


def test_alarm_is_reported(recorded):
    found = BrokerStatus().parse(recorded("rabbitmq_3_nodes_alarm.txt"), HOST)
    assert (found.complaint, found.alarms) == ("", ["opsq@localhost is short of memory"])


def test_broker_without_alarm_report_is_up_with_unknown_alarms(recorded):
    found = BrokerStatus().parse(recorded("rabbitmq_3_nodes_starting.txt"), HOST)
    assert found.complaint == ""
    with pytest.raises(MeasurementError, match="opsq@localhost has not reported its alarms yet"):
        _ = found.alarms


def test_stopped_node_is_a_complaint():
    nodes = [
        {"name": "rabbit@a", "running": True, "mem_alarm": False, "disk_free_alarm": True},
        {"name": "rabbit@b", "running": False},
    ]
    found = BrokerStatus().parse(page(200, nodes), HOST)
    assert (found.complaint, found.alarms) == ("not running: rabbit@b", ["rabbit@a is short of disk space"])


@pytest.mark.parametrize("body", [[], {}, ""])
def test_empty_node_list_raises(body):
    with pytest.raises((OutputError, ValueError)):
        BrokerStatus().parse(page(200, body), HOST)


@pytest.mark.parametrize(
    ("answer", "silence"),
    [
        (REFUSED, "http://127.0.0.1:15672: connection refused"),
        (Answer(28, "\n000 5.0 "), "http://127.0.0.1:15672: no answer within 5 s"),
        (Answer(52, "\n000 0.0 "), "http://127.0.0.1:15672: connection closed without an answer"),
        (page(500, "Internal Server Error"), "http://127.0.0.1:15672 answers 500"),
        (page(503, ""), "http://127.0.0.1:15672 answers 503"),
    ],
    ids=["refused", "hung", "closed", "broken", "not ready"],
)
def test_silent_broker_has_unknown_alarms_and_queues(answer, silence):
    found = BrokerStatus().parse(answer, HOST)
    assert found.complaint == silence
    with pytest.raises(MeasurementError, match=f"alarms are unknown: {silence}"):
        _ = found.alarms
    with pytest.raises(MeasurementError, match=f"^{silence}$"):
        Queues().parse(answer, HOST)


@pytest.mark.parametrize("fact", [BrokerStatus, Queues])
@pytest.mark.parametrize(
    ("answer", "error", "complaint"),
    [
        (page(401, {"error": "not_authorized", "reason": "Login failed"}), MeasurementError, "refuses the login in"),
        (
            page(401, {"error": "not_authorised", "reason": "Not monitor user"}),
            MeasurementError,
            "check password, user",
        ),
        (page(403, ""), MeasurementError, "refuses the login in /home/ops/netrc"),
        (page(301, ""), OutputError, "answers 301: not the management API"),
        (Answer(2, "", "curl: option --x: is unknown"), CommandError, "curl ended with status 2"),
        (Answer(26, "", "curl: (26) .netrc parser error"), CommandError, "parser error"),
    ],
)
def test_login_and_url_errors_are_measurement_errors(fact, answer, error, complaint):
    with pytest.raises(error, match=complaint):
        fact().parse(answer, HOST)


def test_missing_virtual_host_is_absent():
    answer = page(404, {"error": "Object Not Found", "reason": "Not Found"})
    with pytest.raises(Absent, match="the broker has no virtual host /"):
        Queues().parse(answer, HOST)
    with pytest.raises(OutputError, match="answers 404"):
        BrokerStatus().parse(answer, HOST)


# The request itself.


class Api(BaseHTTPRequestHandler):
    """Answers what it was asked; hangs, or leads elsewhere."""

    def do_GET(self):
        if self.path.startswith("/hangs/"):
            time.sleep(2)
        self.send_response(302 if self.path.startswith("/leads/") else 200)
        self.send_header("Location", "/api/queues")
        self.end_headers()
        asked = queue(self.path, messages_ready=len(self.headers.get("Authorization", "")))
        self.wfile.write(json.dumps([asked]).encode())

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with served(Api) as address:
        yield address


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login monitor password hunter2\n")

    def ask(url, netrc="netrc", **fields):
        host = declared(url=url, netrc=str(tmp_path / netrc), **fields)
        command = Queues().command(host)
        assert "hunter2" not in " ".join(command.argv)
        (answer,) = run(host, (command,))
        return Queues().parse(answer, host)

    return ask


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("vhost", "encoded"), [("/", "%2F"), ("a b/ł", "a%20b%2F%C5%82"), ("../nodes", "..%2Fnodes")])
def test_virtual_host_is_url_quoted(server, ask, vhost, encoded, slash):
    (entry,) = ask(server + slash, vhost=vhost).entries
    columns = "name,consumers,messages_ready,messages_unacknowledged,state,exclusive"
    assert entry["name"] == f"/api/queues/{encoded}?columns={columns}"


def test_login_comes_from_netrc_file(server, ask):
    (entry,) = ask(server).entries
    assert entry["messages_ready"] == len("Basic bW9uaXRvcjpodW50ZXIy")


def test_hung_broker_and_redirect_raise(server, ask, free_port):
    with pytest.raises(MeasurementError, match=r"no answer within 0\.3 s"):
        ask(f"{server}/hangs", timeout="300ms")
    with pytest.raises(OutputError, match="answers 302"):
        ask(f"{server}/leads")
    with pytest.raises(MeasurementError, match="connection refused"):
        ask(f"http://127.0.0.1:{free_port}")


# Streams, as rabbitmq_stream_management lists their consumers.


def consumer(stream, lag):
    return {"queue": {"name": stream, "vhost": "/"}, "offset": 7, "offset_lag": lag, "consumed": 8, "credits": 9}


def test_slowest_consumer_of_a_stream_decides():
    entries = [consumer("events", 3), consumer("events", 6000), consumer("audit", 10)]
    lags = StreamConsumers().parse(page(200, entries), HOST)
    assert (lags.lag(["events", "audit"]).largest, lags.lag(["audit"]).largest) == (6000, 10)
    assert lags.lag(["events", "audit"]).top == ["6000 in events", "10 in audit"]


def test_lag_of_a_stream_without_listed_consumers_is_unknown():
    lags = StreamConsumers().parse(page(200, [consumer("events", 3)]), HOST)
    with pytest.raises(MeasurementError, match="no consumer of audit over the stream protocol: lag is unknown"):
        lags.lag(["audit", "events"])


def test_lag_is_unknown_without_the_plugin():
    with pytest.raises(MeasurementError, match="enable the plugin rabbitmq_stream_management"):
        StreamConsumers().parse(page(404, {"error": "Object Not Found"}), HOST)
