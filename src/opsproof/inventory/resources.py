"""The resources that a host can declare, and their limits."""

import datetime
import re
from typing import Annotated, Literal
from urllib.parse import unquote

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
from opsproof.core.limits import Limit, is_within, parse_rule
from opsproof.core.metrics import METRICS, Metric

Duration = Annotated[
    float,
    BeforeValidator(lambda text: units.parse(text, "seconds")),
    Field(gt=0),  # curl and PostgreSQL take a timeout of 0 as unlimited
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? *(ms|s|min|h|d|w)$"}),
]
Size = Annotated[
    float,
    BeforeValidator(lambda text: units.parse(text, "bytes")),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? *([kMGT]?B|[KMGT]iB)$"}),
]
Words = Annotated[list[str], Field(min_length=1)]
SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
"""Secret parameters of libpq: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS."""
_SECRET = re.compile(rf"(?:^|[\s?&'])(?:{'|'.join(SECRETS)})\s*=")
"""libpq takes any white space around a key, and percent-encoded keys in a URI."""
UNKNOWN_FOR = "how long a check may stay unknown before it fails"


class Model(BaseModel):
    """A table of the inventory; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Rule(Model):
    """The rules of a limit; `over` is the time span that the metric looks back."""

    must: str | Words | None = None
    should: str | Words | None = None
    over: Duration | None = None
    source: str = ""

    def limit(self, metric: Metric) -> Limit:
        """The limit of `metric` by these rules.

        Raises:
            ValueError: a rule is missing, does not fit the metric's unit, or contradicts the other.
        """
        if self.must is None and self.should is None:
            raise ValueError("a limit needs must, should or both")
        must, should = (text if text is None else parse_rule(text, metric.unit) for text in (self.must, self.should))
        if must and should and not is_within(should, must):
            raise ValueError(f"should ({self.should}) is looser than must ({self.must}): correct one")
        return Limit(metric.title, metric.unit, must, should, self.over, self.source, singular=metric.singular)


class _Limits(Model):
    @field_validator("*")
    @classmethod
    def _readable(cls, rule: Rule | None, info: ValidationInfo) -> Rule | None:
        metric = METRICS[str(info.field_name)]
        if rule is not None and rule.limit(metric).over is not None and not metric.looks_back:
            raise ValueError("`over` is not valid, the metric has no time span: remove it")
        return rule


LimitTable = create_model(  # type: ignore[call-overload]  # one optional key for each metric
    "LimitTable",
    __base__=_Limits,
    **{name: (Rule | None, Field(None, description=metric.meaning)) for name, metric in METRICS.items()},
)


class Owned(Model):
    """A table with an owner and links, which reports show with findings."""

    owner: str = Field("", description="person or team to ask about findings")
    see: list[Annotated[str, Field(pattern=r"^https?://")]] = Field(
        default_factory=list, description="links shown with findings, such as a runbook"
    )


class Reviewed(Owned):
    """A table with the date of its last review."""

    reviewed: datetime.date | None = Field(None, description="day of the last comparison of the inventory with hosts")
    review_every: Duration = Field(180 * 86400.0, description="longest time between two reviews; a later one warns")


class Resource(Owned):
    """A declared resource of a host; its limits take precedence over the host's."""

    limits: LimitTable = Field(default_factory=LimitTable)
    unknown_for: Duration | None = Field(None, description=UNKNOWN_FOR)


class Pm2(Resource):
    """The PM2 daemon of one user."""

    home: str = Field(description="PM2_HOME, for example /home/deploy/.pm2")


class LogFolder(Resource):
    """A log folder, by its path."""


class Rotation(Resource):
    """The required settings of pm2-logrotate."""

    max_size: str = Field("10M", description="size at which a log is rotated before its interval ends")
    retain: int = Field(7, gt=0, description="rotated files kept per log")
    compress: bool = Field(True, description="whether rotated files are compressed")
    interval: str = Field("0 0 * * *", description="schedule of the rotation, in cron syntax")

    @property
    def settings(self) -> dict[str, str]:
        """The settings, by their names and in their spelling in PM2."""
        compress = str(self.compress).lower()
        return {
            "max_size": self.max_size,
            "retain": str(self.retain),
            "compress": compress,
            "rotateInterval": self.interval,
        }


class Mount(Resource):
    """A file system, by its mount point or a folder on it."""

    mountpoint: bool = Field(True, description="false: the path is a folder on the file system to check")


class Database(Resource):
    """A PostgreSQL database, queried as a monitoring role."""

    dsn: str = Field(description="libpq connection string, without a password")
    reach: Literal["host", "direct"] = Field(
        "host", description="where the dsn is valid: host: on the host; direct: where opsproof runs"
    )
    password_env: str = Field("", description="environment variable with the password")
    password_file: str = Field("", description="file on the host with the password in its first line; needs ssh")
    container: str = Field("", description="declared container of the server")
    standbys: list[str] = Field(default_factory=list, description="application_name of each required standby")
    archived: bool = Field(False, description="whether WAL archiving is required")
    timeout: Duration = Field(5.0, description="timeout of the connection and of each query")
    maintenance_user: str = Field("", description="role of maintenance actions")
    maintenance_passfile: str = Field("", description="libpq password file on the host for maintenance_user")
    superusers: list[str] = Field(default=["postgres"], description="allowed superusers")
    expiring_passwords: list[str] = Field(default_factory=list, description="roles with expiring passwords")
    no_backup: str = Field("", description="reason why no backup of the database is declared")
    large_table: Size = Field(100e6, description="smallest table whose bloat is judged")
    large_index: Size = Field(50e6, description="smallest index whose bloat is judged")

    @model_validator(mode="after")
    def _has_no_secret(self) -> "Database":
        if _SECRET.search(unquote(self.dsn)) or ("://" in self.dsn and ":" in userinfo(self.dsn)):
            raise ValueError("the dsn contains a password: use password_env, password_file or a passfile in the dsn")
        if self.password_env and self.password_file:
            raise ValueError("password_env and password_file exclude each other: remove one")
        return self


class Partitioned(Resource):
    """A table with partitions by time, created in advance."""

    database: str = Field(description="declared database")
    table: str = Field(pattern=r"^[^.]+\.[^.]+$", description="schema.table")
    by: Literal["day", "week", "month"] = Field("month", description="time span of a partition")
    ahead: int = Field(1, ge=1, description="days, weeks or months after the current one that need partitions")


WORD = r"^[A-Za-z0-9._-]*$"
PATH = r"^(/[A-Za-z0-9._+-]+)*$"
"""A path in PostgreSQL settings and shell commands, without characters that need quoting."""


class InDatabase(Resource):
    """An object in a declared database."""

    database: str = Field(description="declared database")


class VectorIndex(InDatabase):
    """A pgvector index, by its name, and the query of the application that uses the index."""

    table: str = Field(pattern=r"^[^.]+\.[^.]+$", description="schema.table, spelled as in the catalogs")
    column: str = Field(min_length=1, description="vector column")
    method: Literal["ivfflat", "hnsw"]
    operator: Literal["<->", "<#>", "<=>", "<+>"] = Field(description="operator in the ORDER BY of the application")
    neighbours: int = Field(10, gt=0, le=1000, description="LIMIT in the query of the application")
    probes: int = Field(0, ge=0, description="ivfflat.probes set by the application; 0: not set")
    ef_search: int = Field(0, ge=0, description="hnsw.ef_search set by the application; 0: not set")
    filter: str = Field("", description="column that the query filters by equality, if any")
    sample: int = Field(100, ge=80, le=1000, description="number of sampled rows")
    budget: Duration = Field(2.0, description="time limit of the sampling; less than the timeout of the database")

    @model_validator(mode="after")
    def _has_settings_of_its_method(self) -> "VectorIndex":
        if (self.probes and self.method != "ivfflat") or (self.ef_search and self.method != "hnsw"):
            raise ValueError("probes is valid only for ivfflat, ef_search only for hnsw")
        return self

    def qualified(self, name: str) -> str:
        """`name` with the schema of the table, which is also the schema of the index."""
        return f"{self.table.split('.')[0]}.{name}"

    @property
    def setting(self) -> tuple[str, str]:
        """The name and the value of the setting for the query; both empty if the application sets none."""
        if self.probes:
            return "ivfflat.probes", str(self.probes)
        return ("hnsw.ef_search", str(self.ef_search)) if self.ef_search else ("", "")


def userinfo(uri: str) -> str:
    """The user, and the password if any, before the @ of a `uri`; empty without an @."""
    authority = uri.partition("://")[2].partition("/")[0].partition("?")[0]
    return authority.rpartition("@")[0]


class Clock(Resource):
    """The time synchronization service of the host."""

    service: Literal["timedatectl", "chrony"]


class Container(Resource):
    """A Docker container of the host, by its name."""


class Docker(Resource):
    """The Docker engine of a host, with the names that belong to the platform."""

    names: list[str] = Field(min_length=1, description="shell patterns of the names of the platform's containers")


class Sshd(Resource):
    """The ssh server of the host, checked for new connections: a round reuses an open one."""

    address: str = Field("127.0.0.1", description="address as seen from the host")
    port: int = Field(22, gt=0, lt=65536)


class Systemd(Resource):
    """The systemd service manager of the host."""
