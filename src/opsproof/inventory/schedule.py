"""Declarations of the schedule: when rounds and actions of a host run, and who starts them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic.json_schema import WithJsonSchema

from opsproof.core import timings
from opsproof.core.installation import ACTIONS
from opsproof.core.rounds import ROUNDS
from opsproof.core.timings import Timing
from opsproof.inventory.resources import Duration, Resource

_At = Annotated[Timing, BeforeValidator(timings.parse), WithJsonSchema({"type": "string"})]


class Schedule(Resource):
    """Who starts the jobs of a host, from which folder, and where their runs are recorded."""

    scheduler: Literal["cron", "systemd"] = "cron"
    on: Literal["controller", "host"] = Field(
        "controller", description="the machine whose scheduler starts the jobs: the one that runs opsproof, or the host"
    )
    folder: str = Field("", description='working folder of the jobs; required with on = "host"')
    program: str = Field("opsproof", description='the command opsproof on the host, with on = "host"')
    inventory: str = Field("", description='the inventory on the host, with on = "host"')
    state: str = Field("reports/schedule", description="folder of the record of runs, of locks and of output")
    claim: str = Field(
        ".opsproof-controller", description="file on the host with the name of the machine that runs the schedule"
    )
    timeout: Duration = Field(6 * 3600.0, description="a job is ended after this time")

    @model_validator(mode="after")
    def _has_a_folder_on_the_host(self) -> "Schedule":
        if self.on == "host" and not self.folder.startswith("/"):
            raise ValueError('on = "host" needs `folder`: the absolute path of the folder of opsproof on the host')
        return self


class Job(Resource):
    """A round or an action, run by the schedule."""

    at: _At = Field(description="02:00, Monday 07:10, first Sunday 03:00, or first Monday of January, July 08:00")
    run: str = Field("", description="name of the round or action, if not the name of the job")
    options: list[str] = Field(default_factory=list, description="further words of its command line")

    def runs(self, name: str) -> str:
        """The round or action of the job called `name`."""
        return self.run or name

    def require_known(self, name: str) -> None:
        """Checks that the round or action exists.

        Raises:
            ValueError: it does not.
        """
        runs = self.runs(name)
        if runs not in ROUNDS and (not runs.isidentifier() or not (ACTIONS / f"{runs}.py").is_file()):
            raise ValueError(
                f"jobs.{name}: {runs!r} is no round and no action: see opsproof --help, opsproof do --help"
            )
