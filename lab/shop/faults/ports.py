"""Faults of ports."""

from collections.abc import Iterator

from lab.fault import shows
from lab.shop import ShopLab
from lab.shop.faults.fault import fault
from lab.waiting import wait_until

OPEN = "systemd-run --quiet --unit=forgotten python3 -m http.server 9000 --directory /var/empty"


@fault(failed=("test_no_undeclared_port_is_open",), touches=("ports",))
@shows(":9000 ")
def forgotten_server_open_to_the_network(lab: ShopLab) -> Iterator[None]:
    """A test server was left running."""
    lab.root("sh", "-c", f"mkdir -p /var/empty && {OPEN}")
    wait_until(lambda: ":9000 " in lab.root("ss", "-ltn"), "the server listens")
    yield
    lab.root("systemctl", "stop", "forgotten")
