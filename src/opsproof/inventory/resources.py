"""What can be declared to be on a host: the resources, and the limits that each may carry."""

import re
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)

from opsproof.core import units
from opsproof.core.limits import Limit, parse_rule
from opsproof.core.metrics import METRICS, Metric

Duration = Annotated[
    float,
    BeforeValidator(lambda text: units.parse(text, "seconds")),
    Field(gt=0),  # curl and PostgreSQL take a timeout of 0 for none
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? *(ms|s|min|h|d|w)$"}),
]
Size = Annotated[
    float,
    BeforeValidator(lambda text: units.parse(text, "bytes")),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? *([kMGT]?B|[KMGT]iB)$"}),
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
        return Limit(metric.title, metric.unit, must, should, self.over, self.source, singular=metric.singular)


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


class Resource(Model):
    """Something declared to be on a host; its own limits come before the host's."""

    limits: LimitTable = Field(default_factory=LimitTable)


class Pm2(Resource):
    """The PM2 daemon of one user."""

    home: str = Field(description="PM2_HOME, for example /home/deploy/.pm2")


class Process(Resource):
    """A process or module that PM2 keeps running, by its PM2 name."""


class Log(Resource):
    """A log file; its rotated files, name__date.log and .log.gz, are found beside it."""

    path: str
    format: Literal["json", "text"] = Field(description="json: one JSON object a line; text: stderr of Node")


class LogFolder(Resource):
    """A folder of logs, by its path."""


class Rotation(Resource):
    """The settings of pm2-logrotate, as they must be."""

    max_size: str = Field("10M", description="of a log before it is rotated ahead of its time")
    retain: int = Field(7, gt=0, description="rotated files that are kept of each log")
    compress: bool = Field(True, description="whether rotated files are compressed")
    interval: str = Field("0 0 * * *", description="when logs are rotated, as cron writes it")

    @property
    def settings(self) -> dict[str, str]:
        """What is declared, as PM2 calls and keeps it."""
        compress = str(self.compress).lower()
        return {
            "max_size": self.max_size,
            "retain": str(self.retain),
            "compress": compress,
            "rotateInterval": self.interval,
        }


class Endpoint(Resource):
    """An address that is asked with one GET from the host itself."""

    url: str = Field(pattern=r"^https?://")
    answer: Literal["health", "status", "redirect"] = Field(
        "status",
        description="health: JSON with status and services; status: the HTTP status alone; redirect: leads to https",
    )
    headers: dict[str, str] = Field(default_factory=dict)
    timeout: Duration = Field(5.0, description="after which the endpoint counts as hung")

    @model_validator(mode="after")
    def _keeps_no_secret(self) -> "Endpoint":
        if userinfo(self.url):
            raise ValueError("the url holds credentials")
        if secret := {"authorization", "cookie"} & {name.lower() for name in self.headers}:
            raise ValueError(f"the {secret.pop()} header is a secret, and would be seen in the host's process list")
        return self


class Mount(Resource):
    """A file system, by the path where it is mounted."""

    mountpoint: bool = Field(True, description="false: a folder, judged by the file system that holds it")


class Database(Resource):
    """A PostgreSQL database, read by a monitoring role."""

    dsn: str = Field(description="libpq connection string, without a password")
    reach: Literal["host", "direct"] = Field(
        "host", description="host: the dsn is meant as seen from the host; direct: as seen from where opsproof runs"
    )
    password_env: str = Field("", description="environment variable that holds the password")
    password_file: str = Field("", description="file on the host whose first line is the password; needs ssh")
    container: str = Field("", description="the declared container that the server runs in")
    standbys: list[str] = Field(default_factory=list, description="application_name of each standby that must be there")
    archived: bool = Field(False, description="whether the write-ahead log must be archived")
    timeout: Duration = Field(5.0, description="of the connection and of each query")
    maintenance_user: str = Field("", description="the role that actions maintain it with")
    maintenance_passfile: str = Field(
        "", description="its libpq password file on the host, for a client that runs there"
    )
    superusers: list[str] = Field(default=["postgres"], description="roles that may do everything, and no others")
    expiring_passwords: list[str] = Field(
        default_factory=list, description="roles whose password expires, and no others"
    )
    large_table: Size = Field(100e6, description="tables smaller than that are not judged by their bloat")
    large_index: Size = Field(50e6, description="indexes smaller than that are not judged by their bloat")

    @model_validator(mode="after")
    def _keeps_no_secret(self) -> "Database":
        if "password=" in self.dsn.replace(" ", "") or ("://" in self.dsn and ":" in userinfo(self.dsn)):
            raise ValueError("the dsn holds a password: name password_env, password_file or a passfile in the dsn")
        if self.password_env and self.password_file:
            raise ValueError("password_env and password_file are both given: one of them holds the password")
        return self


class Partitioned(Resource):
    """A table with a partition for each month, which somebody has to make in time."""

    database: str = Field(description="the declared database")
    table: str = Field(pattern=r"^[^.]+\.[^.]+$", description="schema.table")
    by: Literal["month"] = Field("month", description="what one partition holds")
    ahead: int = Field(1, ge=1, description="months after the running one that there must be partitions for")


_WORD = r"^[A-Za-z0-9._-]*$"
PATH = r"^(/[A-Za-z0-9._+-]+)*$"
"""What stands in settings of PostgreSQL and in commands that it gives to a shell: nothing that must be quoted."""
_DUMPS = {
    *("user", "passfile", "restore_passfile", "lock_wait", "off_site", "off_site_keep", "age_recipient"),
    *("keep", "keep_weekly", "keep_monthly", "keep_least", "drill"),
}
_STANZAS = {
    *("stanza", "config", "repo", "run_as", "full_every", "between"),
    *("data", "programs", "scratch", "stop", "start"),
}
_OF_ENGINE = {"pg_dump": (_STANZAS, ("folder", "user")), "pgbackrest": (_DUMPS, ("stanza",))}
"""For each engine the keys that are only the other's, and those that it needs."""


class Backup(Resource):
    """Backups of one database: dumps in a folder of the login user, or those of a pgBackRest stanza."""

    database: str = Field(description="the declared database")
    engine: Literal["pg_dump", "pgbackrest"] = Field("pg_dump", description="what makes it")
    folder: str = Field("", pattern=r"^[^\n]*$", description="on the host: the login user's own, or the repository")
    user: str = Field("", description="pg_dump: the role that reads everything, and bypasses row-level security")
    passfile: str = Field("", description="pg_dump: libpq password file on the host, for a client that runs there")
    restore_user: str = Field("", description="the superuser that restores, where the one who backs up is none")
    restore_passfile: str = Field("", description="pg_dump: its password file")
    drill: Literal["database", "container"] = Field(
        "database", description="pg_dump: where drills restore: beside the database that serves, or in a container"
    )
    tables: list[str] = Field(default_factory=list, description="schema.table that each backup must hold")
    keep: Duration = Field(30 * 86400.0, description="pg_dump: how long every backup is kept")
    keep_weekly: int = Field(0, ge=0, description="pg_dump: weeks for which the newest of each is kept beyond that")
    keep_monthly: int = Field(0, ge=0, description="pg_dump: months for which the newest of each is kept beyond that")
    keep_least: int = Field(3, ge=1, description="pg_dump: verified backups that are always kept, however old")
    off_site: list[str] = Field(
        default_factory=list,
        description="pg_dump: where copies go: a folder of the host, ssh://user@host/path, s3://bucket/path",
    )
    off_site_keep: Literal["same", "all"] = Field(
        "same", description="pg_dump: copies go as backups do; all: letting them go is for the other side to do"
    )
    age_recipient: str = Field("", description="pg_dump: public key of age, for which copies are encrypted")
    lock_wait: Duration = Field(60.0, description="pg_dump: how long a dump waits for a table's lock")
    timeout: Duration = Field(6 * 3600.0, description="of a backup, of reading one back, and of a restore")
    stanza: str = Field("", pattern=_WORD, description="pgbackrest: the stanza")
    config: str = Field("", pattern=PATH, description="pgbackrest: its configuration, where it is not the usual one")
    repo: int = Field(1, ge=1, le=256, description="pgbackrest: the number of the repository")
    run_as: str = Field("", description="pgbackrest: the server's owner, when the login user is another (sudo -n -u)")
    full_every: Duration = Field(7 * 86400.0, description="pgbackrest: how often a backup is a full one")
    between: Literal["diff", "incr"] = Field("diff", description="pgbackrest: the type of those in between")
    data: str = Field("", pattern=PATH, description="pgbackrest: the cluster's data directory, on the host")
    programs: str = Field("", pattern=PATH, description="pgbackrest: folder of the server's programs; else Debian's")
    scratch: str = Field("", pattern=PATH, description="pgbackrest: folder for drills; else beside the data directory")
    stop: list[str] = Field(default_factory=list, description="pgbackrest: the command that stops the cluster")
    start: list[str] = Field(default_factory=list, description="pgbackrest: the command that starts it")

    @model_validator(mode="after")
    def _is_of_one_engine(self) -> "Backup":
        other, needed = _OF_ENGINE[self.engine]
        if alien := sorted(self.model_fields_set & other):
            raise ValueError(f"{alien[0]} is no key for the engine {self.engine}")
        if missing := [key for key in needed if not getattr(self, key)]:
            raise ValueError(f"the engine {self.engine} needs {missing[0]}")
        return self

    @field_validator("off_site")
    @classmethod
    def _keeps_no_secret(cls, targets: list[str]) -> list[str]:
        return [target(each) for each in targets]

    @model_validator(mode="after")
    def _leaves_the_folder(self) -> "Backup":
        if self.folder.rstrip("/") in [each.rstrip("/") for each in self.off_site]:
            raise ValueError("a target of off_site is the folder itself")
        return self


def target(text: str) -> str:
    """The `text`, if it says where copies lie.

    Raises:
        ValueError: it does not, or it holds a password.
    """
    if not re.match(r"(?!\w+://)[^\n]|ssh://[^/]+/|s3://[^/]", text):
        raise ValueError(f"{text!r} is no folder, ssh://user@host/path or s3://bucket/path")
    if ":" in userinfo(text) or (text.startswith("s3:") and userinfo(text)):
        raise ValueError("a place of copies holds credentials: they belong where opsproof runs")
    return text


class InDatabase(Resource):
    """Something in a declared database."""

    database: str = Field(description="the declared database")


class VectorIndex(InDatabase):
    """An index of pgvector by its name, and the query of the application that it is there for."""

    table: str = Field(pattern=r"^[^.]+\.[^.]+$", description="schema.table, as the catalogs write them")
    column: str = Field(min_length=1, description="the column of vectors")
    method: Literal["ivfflat", "hnsw"]
    operator: Literal["<->", "<#>", "<=>", "<+>"] = Field(description="by which the application orders")
    neighbours: int = Field(10, gt=0, le=1000, description="how many rows the application asks for: its LIMIT")
    probes: int = Field(0, ge=0, description="ivfflat.probes as the application sets it; 0: it does not")
    ef_search: int = Field(0, ge=0, description="hnsw.ef_search as the application sets it; 0: it does not")
    filter: str = Field("", description="the column that the application's query compares with one value, if any")
    sample: int = Field(100, ge=80, le=1000, description="rows whose neighbours are looked for")
    budget: Duration = Field(
        2.0, description="after which no more rows are looked at; less than the database's timeout"
    )

    @model_validator(mode="after")
    def _fits_its_method(self) -> "VectorIndex":
        if (self.probes and self.method != "ivfflat") or (self.ef_search and self.method != "hnsw"):
            raise ValueError("probes are for ivfflat, ef_search is for hnsw")
        return self

    def qualified(self, name: str) -> str:
        """The index of that `name` with its schema, which is the table's."""
        return f"{self.table.split('.')[0]}.{name}"

    @property
    def setting(self) -> tuple[str, str]:
        """The name and the value of what the application sets; both empty where it sets nothing."""
        if self.probes:
            return "ivfflat.probes", str(self.probes)
        return ("hnsw.ef_search", str(self.ef_search)) if self.ef_search else ("", "")


def userinfo(uri: str) -> str:
    """What stands before the @ of a `uri`, a user and perhaps a password; empty where nothing does."""
    authority = uri.partition("://")[2].partition("/")[0].partition("?")[0]
    return authority.rpartition("@")[0]


class Clock(Resource):
    """The time synchronisation that runs on the host."""

    service: Literal["timedatectl", "chrony"]


class Container(Resource):
    """A container of the host's Docker engine, by its name."""


class Broker(Resource):
    """The RabbitMQ of a host, asked over its management API from the host itself."""

    url: str = Field("http://127.0.0.1:15672", pattern=r"^https?://", description="of the management API")
    vhost: str = Field("/", description="the virtual host that holds the queues")
    netrc: str = Field(description="file on the host in netrc form, with the login of a monitoring user")
    timeout: Duration = Field(5.0, description="after which the broker counts as hung")

    @model_validator(mode="after")
    def _keeps_no_secret(self) -> "Broker":
        if userinfo(self.url):
            raise ValueError("the url holds credentials: name a netrc file on the host")
        return self


class Queue(Resource):
    """Queues of the broker, by a pattern of their names: they are made at run time, for each tenant."""

    pattern: str = Field(min_length=1, description="as in a shell: * for any text, ? for any character")
    kind: Literal["work", "dead-letter"] = Field(
        "work", description="work: consumed all the time; dead-letter: holds what could not be processed"
    )


class Cache(Resource):
    """A Redis server, asked from the host itself."""

    address: str = Field("127.0.0.1", description="as the host sees it")
    port: int = Field(6379, gt=0, lt=65536)
    netrc: str = Field("", description="file on the host in netrc form, with the login of a monitoring user")
    timeout: Duration = Field(5.0, description="after which the server counts as hung")


class Sshd(Resource):
    """The ssh server of the host: it must take new logins, whatever connection a round still has."""

    address: str = Field("127.0.0.1", description="as the host sees it")
    port: int = Field(22, gt=0, lt=65536)


class Systemd(Resource):
    """The service manager of the host."""
