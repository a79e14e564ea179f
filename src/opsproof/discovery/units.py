"""Units of systemd for an inventory."""

import re

from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.transport.shell import Answer, argv

SHOW = argv(
    *("systemctl", "show", "--property=Id,ActiveState,SubState,UnitFileState,FragmentPath", "--"),
    *("*.service", "*.timer"),
)
"""The command that shows all loaded services and timers."""
OF_THE_SYSTEM = re.compile(r"(?:systemd-|user@|user-runtime-dir@|(?:serial-|console-|container-)?getty@|dbus|polkit)")
"""Services of Debian itself, not started or stopped by operators."""
LOCAL = "/etc/systemd/"
"""The folder for units of administrators; packages use /lib."""


def units(answer: Answer) -> Sight:
    """Enabled services that run, and all enabled services and timers of administrators; failed ones to confirm."""
    found = [dict(re.findall(r"(?m)^(\w+)=(.*)$", block)) for block in answer.stdout.split("\n\n")]
    states = {each["Id"]: each for each in found if each.get("Id")}
    if answer.status != 0 or not states:
        return Sight(unseen=[Unseen("systemd: no answer", "nothing, if the host has no systemd")])
    failed = sorted(name for name, each in states.items() if each["ActiveState"] == "failed")
    broken = f"failed now: {', '.join(failed)}" if failed else ""
    named = [_entry(name, each) for name, each in sorted(states.items()) if _is_ours(name, each)]
    return Sight([Entry("systemd", "", {}, broken), *named])


def of_users(answer: Answer) -> Sight:
    """The users whose own systemd runs without a login, by the files of `loginctl enable-linger`: units are unseen."""
    users = answer.stdout.split()
    way = 'a table under units with manager = "user" and run_as, by systemctl --user list-units'
    return Sight(unseen=[Unseen(f"units of the user managers of {', '.join(users)}", way)] if users else [])


def _is_ours(name: str, state: dict[str, str]) -> bool:
    if OF_THE_SYSTEM.match(name) or not state["UnitFileState"].startswith("enabled"):
        return False
    return state["FragmentPath"].startswith(LOCAL) or state["SubState"] == "running"


def _entry(name: str, state: dict[str, str]) -> Entry:
    doubt = "" if state["ActiveState"] == "active" else f"is {state['ActiveState']} now"
    if name.endswith(".timer") and not doubt:
        doubt = "starts a job: add every, the interval between two starts"
    return Entry("units", name, {}, doubt)
