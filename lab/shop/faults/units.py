"""Faults of systemd units, and of a plain process on a host with systemd."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.errors import LabError
from lab.fault import TIME, shows
from lab.shop import ShopLab
from lab.shop.faults.fault import fault
from lab.shop.faults.site import ANSWERS, HEALTH, of
from lab.waiting import wait_until

SHOP = "/etc/systemd/system/shop.service"
SETTLED_S = 6.1
WITHOUT_SHOP = (
    *of("health", *ANSWERS, HEALTH),
    *of("site", "test_endpoint_responds"),
    *of("outside", "test_endpoint_responds"),
)
"""Without the service, nginx answers with status 502 and a page of HTML, within milliseconds."""

SHOP_HANGS = (
    *of("shop.service", "test_unit_is_active", "test_unit_accepts_connections"),
    *of("health", *ANSWERS, HEALTH),
    *of("site", *ANSWERS, HEALTH),
    *of("outside", *ANSWERS),
)


def settle(lab: ShopLab) -> None:
    """Delays the next round until a just started process counts as settled."""
    lab.settling.needs(SETTLED_S)


@contextmanager
def _drop_in(lab: ShopLab, unit: str, *lines: str) -> Iterator[None]:
    """Changes settings of a unit until the context closes."""
    folder = f"/etc/systemd/system/{unit}.d"
    lab.root(
        "sh", "-c", f"mkdir -p {folder}; cat > {folder}/fault.conf; systemctl daemon-reload", text="\n".join(lines)
    )
    try:
        yield
    finally:
        lab.root("sh", "-c", f"rm -r {folder}; systemctl daemon-reload")


@fault(
    failed=(
        *of("shop.service", "test_unit_is_active", "test_unit_uptime_is_within_limit", "test_unit_accepts_connections"),
        *of("shop", "test_port_is_open"),
        *WITHOUT_SHOP,
    ),
    unknown=of("site", HEALTH),
    touches=("shop",),
)
@shows(r"shop\.service +loaded +inactive|Connection refused|Could not connect|Couldn't connect|502|nothing listens")
def service_stopped(lab: ShopLab) -> Iterator[None]:
    """The service was stopped by hand and not started again."""
    lab.root("systemctl", "stop", "shop.service")
    yield
    lab.root("systemctl", "start", "shop.service")
    settle(lab)


@fault(failed=SHOP_HANGS, touches=("shop", "nginx"))
@shows(r"timed out|504")
def service_halted(lab: ShopLab) -> Iterator[None]:
    """A signal halted the service: systemd reports it as active, and clients wait."""
    lab.root("systemctl", "kill", "--signal=STOP", "shop.service")
    yield
    lab.root("systemctl", "kill", "--signal=CONT", "shop.service")


@fault(failed=SHOP_HANGS, touches=("shop", "nginx"))
@shows(r"timed out|504")
def service_frozen(lab: ShopLab) -> Iterator[None]:
    """`systemctl freeze` halted the service for a snapshot: it is active, its CPU time stands still, clients wait."""
    lab.root("systemctl", "freeze", "shop.service")
    yield
    lab.root("systemctl", "thaw", "shop.service")


@fault(
    failed=of("shop.service", "test_unit_restarts_are_within_limit"),
    may_change=of("shop.service", "test_unit_uptime_is_within_limit"),
    touches=("shop", TIME),
)
@shows(r"NRestarts=[1-9]")
def service_crash_loop(lab: ShopLab) -> Iterator[None]:
    """The service crashes after each start; systemd reports "active" most of the time."""
    for number in range(1, 6):
        lab.root("systemctl", "kill", "--signal=KILL", "shop.service")
        wait_until(lambda number=number: _restarts(lab) >= number and _is_active(lab), "systemd restarts the service")  # type: ignore[misc]
    yield
    lab.root("systemctl", "reset-failed", "shop.service")  # begins a new count
    settle(lab)


def _restarts(lab: ShopLab) -> int:
    return int(lab.root("systemctl", "show", "--property=NRestarts", "--value", "shop.service"))


def _is_active(lab: ShopLab) -> bool:
    return lab.root("systemctl", "show", "--property=SubState", "--value", "shop.service").strip() == "running"


@fault(failed=of("shop.service", "test_unit_memory_is_within_limit"), touches=("shop",))
@shows(r"MemoryMax=\d")
def service_near_its_memory_limit(lab: ShopLab) -> Iterator[None]:
    """The service has nearly all of the memory that its unit allows."""
    wait_until(lambda: lab.status().site, "the service answers")  # a program that has just started grows
    pid = lab.root("systemctl", "show", "--property=MainPID", "--value", "shop.service").strip()
    status = dict(line.split(":", 1) for line in lab.root("cat", f"/proc/{pid}/status").splitlines())
    used = 1024 * int(status["VmRSS"].split()[0])
    with _drop_in(lab, "shop.service", "[Service]", f"MemoryMax={used * 10 // 9}"):
        yield


@fault(failed=of("shop.service", "test_unit_file_is_loaded"), touches=("shop",))
def unit_file_changed(lab: ShopLab) -> Iterator[None]:
    """A deployment changed the unit file, and did not tell systemd."""
    lab.root("sh", "-c", f"cp -a {SHOP} {SHOP}.aside; echo '# changed' >> {SHOP}")
    yield
    lab.root("sh", "-c", f"mv {SHOP}.aside {SHOP}; systemctl daemon-reload")


@fault(failed=of("cron.service", "test_unit_starts_at_boot"))
def unit_not_enabled(lab: ShopLab) -> Iterator[None]:
    """Cron runs, and a reboot does not start it."""
    lab.root("systemctl", "disable", "--quiet", "cron.service")
    yield
    lab.root("systemctl", "enable", "--quiet", "cron.service")


@fault(failed=of("shop-notes.service", "test_disabled_unit_is_off"), touches=("ports",))
def disabled_unit_runs(lab: ShopLab) -> Iterator[None]:
    """A service that is out of use was started by hand."""
    lab.root("systemctl", "start", "shop-notes.service")
    yield
    lab.root("systemctl", "stop", "shop-notes.service")


@fault(
    failed=of(
        "shop-labels.service",
        "test_unit_is_active",
        "test_unit_uptime_is_within_limit",
        "test_unit_accepts_connections",
    )
)
@shows(r"shop-labels\.service +loaded +inactive")
def unit_of_a_user_stopped(lab: ShopLab) -> Iterator[None]:
    """A unit of a user's own systemd was stopped: the system's own units are all well."""
    own = 'runuser -u labels -- env XDG_RUNTIME_DIR=/run/user/$(id -u labels) systemctl --user "$0" shop-labels.service'
    lab.root("sh", "-ec", own, "stop")
    yield
    lab.root("sh", "-ec", own, "start")
    settle(lab)


@fault(
    failed=(
        *of("shop-digest.timer", "test_unit_is_active"),
        *of("shop-digest.service", "test_unit_is_active"),
        "test_no_unit_has_failed",
    ),
    touches=("digest",),
)
@shows(r"shop-digest\.service +loaded +failed")
def job_of_timer_failed(lab: ShopLab) -> Iterator[None]:
    """The last job of a timer failed, and no one was told."""
    with _drop_in(lab, "shop-digest.service", "[Service]", "ExecStart=", "ExecStart=/bin/false"):
        try:
            lab.root("systemctl", "start", "shop-digest.service")
        except LabError:
            yield
    lab.root("systemctl", "start", "shop-digest.service")


@fault(
    failed=(*of("shop-pulse.timer", "test_unit_is_active", "test_unit_job_starts_on_time"),),
    touches=("pulse", TIME),
)
@shows(r"shop-pulse\.timer +loaded +inactive")
def timer_stopped(lab: ShopLab) -> Iterator[None]:
    """A timer was stopped: its jobs no longer start."""
    lab.root("systemctl", "stop", "shop-pulse.timer")
    lab.settling.needs(15)
    yield
    lab.root("systemctl", "start", "shop-pulse.timer")
    settle(lab)


@fault(failed=of("shop-pulse.timer", "test_unit_job_starts_on_time"), touches=("pulse", TIME))
@shows(r"shop-pulse\.timer +loaded +active +running")
def job_of_timer_hangs(lab: ShopLab) -> Iterator[None]:
    """A job hangs, so the timer waits and starts no further one."""
    with _drop_in(lab, "shop-pulse.service", "[Service]", "ExecStart=", "ExecStart=/bin/sleep 1000"):
        lab.settling.needs(20)
        yield
    lab.root("systemctl", "stop", "shop-pulse.service")
    settle(lab)


COURIER = (
    "test_plain_process_is_running",
    "test_plain_process_restarts_are_within_limit",
    "test_plain_process_memory_is_within_limit",
    "test_plain_process_uptime_is_within_limit",
    "test_plain_process_accepts_connections",
)


@fault(failed=of("courier", *COURIER, "test_port_is_open"), touches=("courier",))
@shows("no process fits courier|nothing listens")
def plain_process_ended(lab: ShopLab) -> Iterator[None]:
    """The courier crashed, and no supervisor started it again."""
    lab.root("sh", "-c", "kill -KILL $(cat /var/lib/shop/courier.pid)")
    yield
    command = "/usr/bin/python3 /usr/local/lib/shop/courier.py > /dev/null 2>&1 < /dev/null &"
    lab.root("setsid", "runuser", "-u", "shop", "--", "sh", "-c", command)
    settle(lab)
