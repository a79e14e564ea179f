"""A commented inventory of a host."""

from collections.abc import Iterable

from opsproof.discovery import toml
from opsproof.discovery.sight import Entry, Sight

_HEAD = """\
# A first inventory of {host}, from what the login may see: read each line, confirm, complete, and remove.
# No limit comes from the present state: the limits below are those of opsproof; change them to yours.
"""
_USERS = ("run_as", "docker_as")
_SMALL = {"pm2", "systemd", "sshd", "clock", "listening", "broker"}
"""The tables that a host has at most once."""


def inventory(host: str, transport: str, limits: str, sight: Sight) -> str:
    """The text of an inventory file; `limits` are lines that declare limits, or extend another file."""
    head = [_HEAD.format(host=toml.comment(host)[2:]), limits, ""]
    place = f"hosts.{toml.key(host)}"
    body = [f"[{place}]", f"transport = {toml.text(transport)}"]
    paths = list(dict.fromkeys(each.name for each in sight.entries if each.table == "path"))
    body += [f"path = {toml.value(paths)}"] if paths else []
    body += [f"{each.table} = {toml.text(each.name)}" for each in sight.entries if each.table in _USERS]
    tables = dict.fromkeys(each.table for each in sight.entries if each.table not in ("path", *_USERS))
    for table in tables:
        body += ["", *_table(f"{place}.{table}", [each for each in sight.entries if each.table == table])]
    return "\n".join([*head, *body, *_said("Remarks", sight.remarks), *_said("Not seen", _unseen(sight)), ""])


def limits_in(inventory: str) -> str:
    """The table of limits in the text of an `inventory`."""
    return f"[limits]{inventory.partition('[limits]')[2].partition('[hosts')[0]}".rstrip()


def _table(place: str, entries: list[Entry]) -> list[str]:
    if entries[0].table in _SMALL:
        return [*_confirm(entries[0]), f"[{place}]", *_lines(entries[0])]
    if any(len(each.fields) > 2 for each in entries):  # more would not fit a line
        own = [[*_confirm(each), f"[{place}.{toml.key(each.name)}]", *_lines(each), ""] for each in entries]
        return [line for lines in own for line in lines][:-1]
    return [f"[{place}]", *(line for each in entries for line in [*_confirm(each), _inline(each)])]


def _lines(entry: Entry) -> list[str]:
    return [f"{toml.key(name)} = {toml.value(value)}" for name, value in entry.fields.items()]


def _inline(entry: Entry) -> str:
    return f"{toml.key(entry.name)} = {toml.inline(entry.fields)}"


def _confirm(entry: Entry) -> list[str]:
    return [toml.comment(f"confirm: {entry.name or entry.table} {entry.confirm}")] if entry.confirm else []


def _unseen(sight: Sight) -> list[str]:
    return [f"{each.what}: {each.way}" for each in sight.unseen]


def _said(title: str, lines: Iterable[str]) -> list[str]:
    listed = [toml.comment(f"- {each}") for each in lines]
    return ["", f"# {title}:", *listed] if listed else []
