"""Declared ports listen, and no further port is open to the network."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy]
SOCKETS = ("ss", "--listening", "--tcp", "--numeric", "--processes")


@pytest.mark.remedy("port", *SOCKETS)
def test_port_is_open(listeners, port, host):
    """Clients are refused: start the program, or correct the address."""
    listeners.require(host.ports[port])


@pytest.mark.remedy(*SOCKETS)
def test_no_undeclared_port_is_open(listeners, listening, host, allowed, evidence):
    """A forgotten service is open to the network: stop the service, bind to 127.0.0.1, or declare the port."""
    found = listeners.undeclared(list(host.ports.values()))
    evidence("undeclared ports", found)
    assert len(found) in allowed.ports_undeclared
