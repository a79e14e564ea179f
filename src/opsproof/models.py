"""The tables of an inventory: hosts, the nouns declared on them, and limits."""

import datetime
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)

from opsproof import quantities
from opsproof.limits import Limit, parse_rule
from opsproof.metrics import METRICS, Metric

Duration = Annotated[
    float,
    BeforeValidator(lambda text: quantities.parse(text, "seconds")),
    Field(gt=0),  # curl and PostgreSQL take a timeout of 0 for none
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? *(ms|s|min|h|d|w)$"}),
]
Words = Annotated[list[str], Field(min_length=1)]


class Model(BaseModel):
    """A table of the inventory; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Rule(Model):
    """What a metric must and should be; `over` is the time span it looks back."""

    must: str | Words | None = None
    should: str | Words | None = None
    over: Duration | None = None
    source: str = ""

    def limit(self, metric: Metric) -> Limit:
        """This rule as the limit of `metric`.

        Raises:
            ValueError: it does not say what the metric's unit needs.
        """
        if self.must is None and self.should is None:
            raise ValueError("a limit needs must, should or both")
        must, should = (text if text is None else parse_rule(text, metric.unit) for text in (self.must, self.should))
        return Limit(metric.title, metric.unit, must, should, self.over, self.source)


class _Limits(Model):
    @field_validator("*")
    @classmethod
    def _readable(cls, rule: Rule | None, info: ValidationInfo) -> Rule | None:
        metric = METRICS[str(info.field_name)]
        if rule is not None and rule.limit(metric).over is not None and not metric.looks_back:
            raise ValueError(f"over has no meaning for {metric.title}")
        return rule


LimitTable = create_model(  # type: ignore[call-overload]  # one optional key for each metric
    "LimitTable",
    __base__=_Limits,
    **{name: (Rule | None, Field(None, description=metric.meaning)) for name, metric in METRICS.items()},
)


class Noun(Model):
    """Something declared to be on a host; its own limits come before the host's."""

    limits: LimitTable = Field(default_factory=LimitTable)


class Pm2(Noun):
    """The PM2 daemon of one user."""

    home: str = Field(description="PM2_HOME, for example /home/deploy/.pm2")


class Process(Noun):
    """A process or module that PM2 keeps running, by its PM2 name."""


class Log(Noun):
    """A log file; its rotated files, name__date.log and .log.gz, are found beside it."""

    path: str
    format: Literal["json", "text"] = Field(description="json: one JSON object a line; text: stderr of Node")


class Endpoint(Noun):
    """An address that is asked with one GET from the host itself."""

    url: str = Field(pattern=r"^https?://")
    answer: Literal["health", "status"] = Field(
        "status", description="health: JSON with status and services; status: the HTTP status alone"
    )
    headers: dict[str, str] = Field(default_factory=dict)
    timeout: Duration = Field(5.0, description="after which the endpoint counts as hung")

    @model_validator(mode="after")
    def _keeps_no_secret(self) -> "Endpoint":
        if _userinfo(self.url):
            raise ValueError("the url holds credentials")
        if secret := {"authorization", "cookie"} & {name.lower() for name in self.headers}:
            raise ValueError(f"the {secret.pop()} header is a secret, and would be seen in the host's process list")
        return self


class Mount(Noun):
    """A file system, by the path where it is mounted."""

    mountpoint: bool = Field(True, description="false: a folder, judged by the file system that holds it")


class Database(Noun):
    """A PostgreSQL database, read by a monitoring role."""

    dsn: str = Field(description="libpq connection string, without a password")
    password_env: str = Field("", description="environment variable that holds the password")
    timeout: Duration = Field(5.0, description="of the connection and of each query")

    @model_validator(mode="after")
    def _keeps_no_secret(self) -> "Database":
        if "password=" in self.dsn.replace(" ", "") or ("://" in self.dsn and ":" in _userinfo(self.dsn)):
            raise ValueError("the dsn holds a password: name password_env, or a passfile in the dsn")
        return self


def _userinfo(uri: str) -> str:
    authority = uri.split("://", 1)[1].split("/", 1)[0]
    return authority.rpartition("@")[0]


class Clock(Noun):
    """The time synchronisation that runs on the host."""

    service: Literal["timedatectl", "chrony"]


class Host(Model):
    """One host: how it is reached and what it is declared to run."""

    _name: str = PrivateAttr("")
    _inherited: tuple[LimitTable, ...] = PrivateAttr(())
    transport: str = Field(description="a testinfra host specification: local://, ssh://ops@vps-00, docker://name")
    run_as: str = Field("", description="user that owns the application, when the login user is another (sudo -n -u)")
    path: list[str] = Field(default_factory=list, description="folders put before the host's search path")
    limits: LimitTable = Field(default_factory=LimitTable)
    pm2: Pm2 | None = None
    clock: Clock | None = None
    processes: dict[str, Process] = Field(default_factory=dict)
    logs: dict[str, Log] = Field(default_factory=dict)
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    mounts: dict[str, Mount] = Field(default_factory=dict)
    databases: dict[str, Database] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_daemon(self) -> "Host":
        if self.processes and self.pm2 is None:
            raise ValueError("processes are declared, but no pm2 table says where their daemon is")
        return self

    @property
    def name(self) -> str:
        """The key under which the inventory declares this host."""
        return self._name

    def placed(self, name: str, inherited: tuple[LimitTable, ...]) -> "Host":
        """This host under its `name`, with the tables whose limits hold where it has none, nearest first."""
        self._name, self._inherited = name, inherited
        return self

    def nouns(self, noun: str) -> dict[str, Noun]:
        """What is declared of `noun`, by name; where a host has at most one, it stands under ``""``."""
        declared = getattr(self, NOUNS[noun])
        if declared is None:
            return {}
        if isinstance(declared, Noun):
            return {"": declared}
        return {name: each for name, each in declared.items() if NARROWED.get(noun, _always)(each)}

    def limit(self, metric: str, noun: Noun | None = None) -> Limit | None:
        """The limit of `metric` for `noun`, else for the host, else for all hosts of its inventory."""
        for table in (noun.limits if noun else None, self.limits, *self._inherited):
            found = getattr(table, metric, None)
            if found is not None:
                return found.limit(METRICS[metric])  # type: ignore[no-any-return]
        return None


NOUNS: dict[str, str] = {
    "pm2": "pm2",
    "clock": "clock",
    "process": "processes",
    "log": "logs",
    "endpoint": "endpoints",
    "health_endpoint": "endpoints",
    "mount": "mounts",
    "mountpoint": "mounts",
    "database": "databases",
}
"""The test argument of each noun, and the inventory's table that declares it."""


NARROWED: dict[str, Callable[[Any], bool]] = {
    "health_endpoint": lambda endpoint: endpoint.answer == "health",
    "mountpoint": lambda mount: mount.mountpoint,
}
"""Which of a table's entries a noun means, where it does not mean all."""


def _always(_: object) -> bool:
    return True


def noun_in(params: dict[str, str]) -> tuple[str, str]:
    """The noun and its name that a test's parameters hold; two empty words where they hold none."""
    return next(((noun, params[noun]) for noun in NOUNS if noun in params), ("", ""))


class Waiver(Model):
    """A known failure that is tolerated until it expires."""

    check: str = Field(description="name of the check, for example test_disk_has_room")
    on: str = Field(description="its parameter as in the report, for example vps-00-/var")
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    expires: datetime.date = Field(description="the last day on which the failure is tolerated")
    ceiling: float | None = Field(None, description="a measured value over it fails all the same, in the metric's unit")


class File(Model):
    """A whole inventory file."""

    extends: str = Field("", description="an inventory beside this one, whose limits hold where none is given here")
    limits: LimitTable = Field(default_factory=LimitTable)
    hosts: Annotated[dict[str, Host], Field(min_length=1)]
    waivers: list[Waiver] = Field(default_factory=list)
