"""Declarations of the schedule: when rounds and actions of a host run, and who starts them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic.json_schema import WithJsonSchema

from opsproof.core import timings
from opsproof.core.installation import ACTIONS
from opsproof.core.rounds import ROUNDS
from opsproof.core.timings import Timing, Window
from opsproof.inventory.resources import Duration, Resource

HEAVY = ("backup", "verify_backup", "restore_drill", "vacuum", "reindex")
"""The actions that load disks or processors for long."""
_At = Annotated[Timing, BeforeValidator(timings.parse), WithJsonSchema({"type": "string"})]
_LowTraffic = Annotated[Window, BeforeValidator(timings.parse_window), WithJsonSchema({"type": "string"})]


class Schedule(Resource):
    """Who starts the jobs of a host, from which folder, and where their runs are recorded."""

    scheduler: Literal["cron", "systemd"] = "cron"
    on: Literal["controller", "host"] = Field(
        "controller", description="the machine whose scheduler starts the jobs: the machine with opsproof, or the host"
    )
    folder: str = Field("", description='working folder of the jobs; required with on = "host"')
    program: str = Field("opsproof", description='the command opsproof on the host, with on = "host"')
    inventory: str = Field("", description='the inventory on the host, with on = "host"')
    state: str = Field("reports/schedule", description="folder of the record of runs, of locks and of output")
    claim: str = Field(
        ".opsproof-controller", description="file on the host with the name of the machine that runs the schedule"
    )
    low_traffic: _LowTraffic | None = Field(
        None, description="local time of the host in which heavy actions run without --outside-window: 01:00-05:00"
    )
    timeout: Duration = Field(6 * 3600.0, description="a job is ended after this time")

    @model_validator(mode="after")
    def _has_a_folder_on_the_host(self) -> "Schedule":
        if self.on == "host" and not self.folder:
            raise ValueError('on = "host" needs `folder`: the folder of opsproof on the host')
        return self


class Job(Resource):
    """A round or an action, run by the schedule."""

    at: _At = Field(description="02:00, Monday 07:10, first Sunday 03:00, or first Monday of January, July 08:00")
    run: str = Field("", description="name of the round or action, if not the name of the job")
    options: list[str] = Field(default_factory=list, description="further words of its command line")

    def runs(self, name: str) -> str:
        """The round or action of the job called `name`."""
        return self.run or name

    def require_valid(self, name: str, window: Window | None) -> None:
        """Checks that the round or action exists, and that a heavy action begins in the window.

        Raises:
            ValueError: neither a round nor an action has the name, or the action begins outside of the window.
        """
        runs = self.runs(name)
        if runs not in ROUNDS and (not runs.isidentifier() or not (ACTIONS / f"{runs}.py").is_file()):
            raise ValueError(
                f"jobs.{name}: {runs!r} is no round and no action: see opsproof --help, opsproof do --help"
            )
        is_excused = any(each.startswith("--outside-window") for each in self.options)
        if window and runs in HEAVY and not window.has(self.at) and not is_excused:
            raise ValueError(
                f"jobs.{name}: {self.at} is outside of low_traffic, {window}: move the job, "
                "or add --outside-window=REASON to its options"
            )
