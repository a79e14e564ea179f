"""Declarations of PM2's processes, plain processes, and units of systemd."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from opsproof.inventory.resources import Duration, Resource

Ports = list[Annotated[int, Field(gt=0, lt=65536)]]
LISTENS = "TCP ports where clients wait if the program is frozen"
_PLAIN = ("user", "instances", "listens")


class Process(Resource):
    """A process or module of PM2, by its name there; with `command` or `pidfile`, a plain process of any supervisor."""

    every: Duration | None = Field(None, description="PM2: interval between two starts of a job of PM2's cron")
    command: str = Field("", description="plain process: shell pattern of the whole command line")
    pidfile: str = Field("", description="plain process: file on the host with the PID in its first line")
    user: str = Field("", description="plain process: owner")
    instances: int = Field(1, ge=1, description="plain process: number of processes, without their children")
    listens: Ports = Field(default_factory=list, description=f"plain process: {LISTENS}")

    @model_validator(mode="after")
    def _has_keys_of_its_kind(self) -> "Process":
        if not self.is_plain and (given := [key for key in _PLAIN if key in self.model_fields_set]):
            raise ValueError(f"`{given[0]}` is valid only for a plain process: add command or pidfile")
        if self.is_plain and self.every is not None:
            raise ValueError("`every` is valid only for a job of PM2's cron: remove it")
        if self.pidfile and self.instances > 1:
            raise ValueError("a pidfile has one PID: remove `instances`")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether the process is found by its command line or PID, not by its name in PM2."""
        return bool(self.command or self.pidfile)


class Unit(Resource):
    """A unit of systemd, by its full name: shop.service, backup.timer, postgresql@15-main.service."""

    enabled: bool = Field(True, description="false: the unit must be disabled or masked, and not run")
    every: Duration | None = Field(
        None, description="interval between two starts of the job of a timer or oneshot service"
    )
    listens: Ports = Field(default_factory=list, description=LISTENS)
    manager: Literal["system", "user"] = Field("system", description="user: a unit of `systemctl --user`")
    run_as: str = Field("", description="manager = user: its owner, if not the login user (sudo -n -u)")

    @model_validator(mode="after")
    def _has_keys_of_its_kind(self) -> "Unit":
        if self.run_as and self.manager == "system":
            raise ValueError('`run_as` is valid only for manager = "user": remove it')
        if not self.enabled and (self.every is not None or self.listens):
            raise ValueError("a unit with enabled = false does not run: remove `every` and `listens`")
        return self


UNIT_TYPES = ("service", "timer", "socket", "mount", "automount", "path", "target", "swap", "slice", "scope", "device")
"""https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html."""


def require_unit_name(name: str) -> None:
    """Checks that `name` is the full name of a unit.

    Raises:
        ValueError: the type is missing, or the name is that of a template.
    """
    stem, _, kind = name.rpartition(".")
    if kind not in UNIT_TYPES or not stem:
        raise ValueError(f"units: {name!r} is no full name of a unit: write {name}.service")
    if stem.endswith("@"):
        raise ValueError(f"units: {name!r} is a template: declare an instance, such as {stem}1.{kind}")
    if set(name) & set("*?[]/ \n") or (name.startswith("-") and name != "-.mount"):
        raise ValueError(f"units: {name!r} is no name of a unit: patterns are not allowed")
