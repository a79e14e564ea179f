"""Endpoints asked by the machine that runs opsproof: verdicts, and the remedy."""

import json

import pytest
from pydantic import ValidationError

from opsproof.core.errors import Absent, CommandError
from opsproof.facts.endpoints import Responses
from opsproof.facts.health import Health
from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.round.clients import Target, line
from opsproof.round.gathering import gather
from opsproof.transport.shell import Answer
from tests.harness.pages import served
from tests.transport.test_web import Site

ONE, TWO = "192.0.2.1", "192.0.2.2"
URL = "https://chat.example/health"


def outside(**fields):
    return Endpoint(**{"url": URL, "from": "controller", **fields})


def page(address, status=200, elapsed_s=0.1, body="", location=""):
    return {"address": address, "status": status, "elapsed_s": elapsed_s, "body": body, "location": location}


def parsed(*pages, **fields):
    return Responses().parse(Answer(0, json.dumps(pages)), "site", outside(**fields))


def test_slowest_address_decides():
    found = parsed(page("192.0.2.1"), page("192.0.2.2", elapsed_s=3.0))
    assert (found.status, found.elapsed_s, found.address) == (200, 3.0, "192.0.2.2")


@pytest.mark.parametrize(
    ("pages", "error", "message"),
    [
        ([page(ONE), {"address": TWO, "silence": "connection refused"}], Absent, f"{TWO}: connection refused"),
        ([page(ONE), page(TWO, 404, 3.0)], Absent, f"answers differ: 404 at {TWO}, 200 at {ONE}"),
        ([page(ONE), {"address": "2001:db8::1", "unmeasured": "no way"}], CommandError, "2001:db8::1: no way"),
    ],
    ids=["silent", "different", "unmeasured"],
)
def test_one_bad_address_decides(pages, error, message):
    with pytest.raises(error) as caught:
        parsed(*pages)
    assert str(caught.value) == f"{URL}: {message}"


def test_name_that_cannot_be_asked_is_unmeasured():
    with pytest.raises(CommandError, match="could not be requested: later"):
        Responses().parse(Answer(1, "", "later"), "site", outside())


def test_different_health_of_two_addresses_is_a_failure():
    pages = page("192.0.2.1", body="UP"), page("192.0.2.2", body="DOWN")
    with pytest.raises(Absent, match=r"health differs: UP at 192\.0\.2\.1, DOWN at 192\.0\.2\.2"):
        _ = parsed(*pages, answer="text").health
    assert parsed(pages[0], answer="text").health == Health("UP")


def test_unreachable_host_does_not_hide_the_answer_from_outside():
    with served(Site) as address:
        host = Host(transport="docker://no-such-container", endpoints={"site": outside(url=f"{address}/")})
        keys = {("responses", "site"), ("load", "")}
        recording = gather(host.placed("vps", ()), keys, None)
    assert recording.unreachable
    assert Responses().parse(recording.answers["responses site"], "site", host.endpoints["site"]).status == 200


def test_remedy_asks_every_address_from_here():
    host = Host(transport="ssh://ops@vps").placed("vps", ())
    said = line(Target(host, "site", outside()), ["curl", "--include"])
    assert said.startswith("for address in $(getent ahosts chat.example | ")
    assert '--connect-to "::$address:" https://chat.example/health; done' in said


def test_choice_of_addresses_needs_the_controller():
    with pytest.raises(ValidationError, match="valid only for from"):
        Endpoint(url=URL, addresses="ipv4")
