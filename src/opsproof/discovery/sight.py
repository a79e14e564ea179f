"""Entries for the inventory of a host, remarks, and resources hidden from the login."""

from dataclasses import dataclass, field

from opsproof.discovery.toml import Value


@dataclass(frozen=True)
class Entry:
    """A resource: a key of `table`, or the whole table without a name. `confirm` is a doubt, or a present fault."""

    table: str
    name: str
    fields: dict[str, Value] = field(default_factory=dict)
    confirm: str = ""


@dataclass(frozen=True)
class Unseen:
    """A resource hidden from the login; `way` is the line of sudoers or the option to show it."""

    what: str
    way: str


@dataclass
class Sight:
    """Entries, hidden resources, and remarks for a person, in the order of the inventory."""

    entries: list[Entry] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, other: "Sight") -> None:
        """Appends another part of the host; a resource of a known name becomes a remark."""
        known = {(each.table, each.name) for each in self.entries}
        new = [each for each in other.entries if (each.table, each.name) not in known]
        self.entries += new
        again = [each for each in other.entries if each not in new]
        self.remarks += [f"another {each.table} {each.name} {each.fields or ''}".rstrip() for each in again]
        self.unseen += other.unseen
        self.remarks += other.remarks
