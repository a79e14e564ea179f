"""The tables of an inventory: hosts with their resources, limits and waivers."""

import datetime
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, field_validator, model_validator

from opsproof.core import extensions
from opsproof.core.limits import Limit
from opsproof.core.metrics import METRICS
from opsproof.inventory import extended
from opsproof.inventory.backups import Backup
from opsproof.inventory.data import Data
from opsproof.inventory.endpoints import HEALTH_ANSWERS, Endpoint
from opsproof.inventory.extended import ExtendedHost
from opsproof.inventory.logs import Log
from opsproof.inventory.ports import Listening, Port
from opsproof.inventory.processes import Process, Unit, require_unit_name
from opsproof.inventory.resources import (
    UNKNOWN_FOR,
    Clock,
    Container,
    Database,
    Docker,
    Duration,
    LimitTable,
    LogFolder,
    Model,
    Mount,
    Owned,
    Partitioned,
    Pm2,
    Resource,
    Reviewed,
    Rotation,
    Sshd,
    Systemd,
    VectorIndex,
    userinfo,
)
from opsproof.inventory.schedule import Job, Schedule
from opsproof.inventory.services import Broker, Cache, Queue

TRANSPORTS = (
    *("local", "ssh", "docker", "podman", "kubectl", "openshift", "lxc", "chroot", "ansible", "salt", "winrm"),
    *("paramiko", "safe-ssh"),
)
"""The host specifications of testinfra: https://testinfra.readthedocs.io/en/latest/backends.html."""
_SSH = re.compile(r"ssh://(?:[^@/?]*@)?(?:\[[^\]]+\]|[^:/?@\[\]]+)(?::\d+)?(?:[/?].*)?", re.DOTALL)


class Host(Reviewed, ExtendedHost):
    """A host: how to connect, and the resources declared on it."""

    _name: str = PrivateAttr("")
    _inherited: tuple["InventoryFile", ...] = PrivateAttr(())
    transport: str = Field(description="a testinfra host specification: local://, ssh://ops@vps-00, docker://name")
    run_as: str = Field("", description="user that owns the application, if not the login user (sudo -n -u)")
    docker_as: str = Field("", description="user with access to Docker, if not the login user (sudo -n -u)")
    path: list[str] = Field(default_factory=list, description="folders added in front of PATH on the host")
    limits: LimitTable = Field(default_factory=LimitTable)
    unknown_for: Duration | None = Field(None, description=UNKNOWN_FOR)
    pm2: Pm2 | None = None
    clock: Clock | None = None
    processes: dict[str, Process] = Field(default_factory=dict)
    logs: dict[str, Log] = Field(default_factory=dict)
    log_folders: dict[str, LogFolder] = Field(default_factory=dict)
    rotation: Rotation | None = None
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    mounts: dict[str, Mount] = Field(default_factory=dict)
    databases: dict[str, Database] = Field(default_factory=dict)
    partitioned: dict[str, Partitioned] = Field(default_factory=dict)
    backups: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")], Backup] = Field(default_factory=dict)
    data: dict[str, Data] = Field(default_factory=dict)
    vector_indexes: dict[str, VectorIndex] = Field(default_factory=dict)
    containers: dict[str, Container] = Field(default_factory=dict)
    docker: Docker | None = None
    broker: Broker | None = None
    queues: dict[str, Queue] = Field(default_factory=dict)
    caches: dict[str, Cache] = Field(default_factory=dict)
    sshd: Sshd | None = None
    systemd: Systemd | None = None
    units: dict[str, Unit] = Field(default_factory=dict)
    listening: Listening | None = None
    ports: dict[str, Port] = Field(default_factory=dict)
    schedule: Schedule | None = None
    jobs: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], Job] = Field(default_factory=dict)

    @field_validator("transport")
    @classmethod
    def _is_known_and_has_no_password(cls, transport: str) -> str:
        if transport.partition("://")[0] not in TRANSPORTS or "://" not in transport:
            raise ValueError(
                f"{transport!r} is no host specification: write local://, ssh://user@host or docker://name"
            )
        if transport.startswith("ssh://") and not _SSH.fullmatch(transport) and ":" not in userinfo(transport):
            raise ValueError(f"{transport!r} names no host: write ssh://user@host or ssh://user@host:22")
        if ":" in userinfo(transport):
            raise ValueError("the transport contains a password: use a key, with an agent or an ssh_config")
        return transport

    @model_validator(mode="after")
    def _has_required_tables(self) -> "Host":
        if self.pm2 is None and not all(each.is_plain for each in self.processes.values()):
            raise ValueError("processes are declared without pm2: add a pm2 table, or `command` for a plain process")
        if self.rotation and self.pm2 is None:
            raise ValueError("rotation is declared without pm2: add a pm2 table")
        if self.ports and self.listening is None:
            raise ValueError("ports are declared without listening: add a listening table")
        if self.jobs and self.schedule is None:
            raise ValueError("jobs are declared without a schedule: add a schedule table")
        if self.queues and self.broker is None:
            raise ValueError("queues are declared without a broker: add a broker table")
        if self.units and self.systemd is None:
            raise ValueError("units are declared without systemd: add a systemd table")
        for name in self.units:
            require_unit_name(name)
        return self

    @model_validator(mode="after")
    def _jobs_are_valid(self) -> "Host":
        for name, job in self.jobs.items():
            job.require_valid(name, self.schedule.low_traffic if self.schedule else None)
        return self

    @model_validator(mode="after")
    def _containers_are_declared(self) -> "Host":
        servers = [(f"databases.{name}", each.container) for name, each in self.databases.items()]
        servers += [(f"caches.{name}", each.container) for name, each in self.caches.items()]
        servers += [("broker", self.broker.container)] if self.broker else []
        for name, container in servers:
            if container and container not in self.containers:
                raise ValueError(f"{name}: container {container!r} is not declared: add it to containers")
        return self

    @model_validator(mode="after")
    def _backups_have_databases(self) -> "Host":
        for name, backup in self.backups.items():
            if backup.engine == "files":
                continue
            if backup.database not in self.databases:
                raise ValueError(f"backups.{name}: database {backup.database!r} is not declared: add it to databases")
            if backup.drill == "container" and not self.databases[backup.database].container:
                raise ValueError(f'backups.{name}: drill = "container" needs a database in a container')
            if backup.drill == "cluster" and self.databases[backup.database].container:
                raise ValueError(f'backups.{name}: drill = "cluster" needs a database outside of containers')
            if backup.engine == "pgbackrest":
                self._require_archived(name, backup.database)
        return self

    @model_validator(mode="after")
    def _tables_and_indexes_have_databases(self) -> "Host":
        for name, table in self.partitioned.items():
            if table.database not in self.databases:
                raise ValueError(
                    f"partitioned.{name}: database {table.database!r} is not declared: add it to databases"
                )
        for name, index in self.vector_indexes.items():
            if index.database not in self.databases:
                raise ValueError(
                    f"vector_indexes.{name}: database {index.database!r} is not declared: add it to databases"
                )
            if index.budget >= self.databases[index.database].timeout:
                raise ValueError(f"vector_indexes.{name}: budget must be less than the timeout of its database")
        return self

    def _require_archived(self, name: str, database_name: str) -> None:
        database = self.databases[database_name]
        if database.container:
            raise ValueError(
                f"backups.{name}: pgBackRest runs on the host, but database {database_name!r} is in a container"
            )
        if not database.archived:
            raise ValueError(f"backups.{name}: pgBackRest archives WAL: set databases.{database_name} archived = true")

    @property
    def name(self) -> str:
        """The key of this host in the inventory."""
        return self._name

    def placed(self, name: str, inherited: tuple["InventoryFile", ...]) -> "Host":
        """This host with its `name` and the files with `inherited` limits, nearest first."""
        self._name, self._inherited = name, inherited
        return self

    def resources(self, resource: str) -> dict[str, Resource]:
        """The declared resources of a kind, by name. The name is ``""`` for kinds declared at most once."""
        declared = getattr(self, RESOURCES[resource])
        if declared is None:
            return {}
        if isinstance(declared, Resource):
            return {"": declared}
        return {name: each for name, each in declared.items() if SELECTORS.get(resource, _always)(each)}

    def limit(self, metric: str, resource: Resource | None = None) -> Limit | None:
        """The limit of `metric` for `resource`, else for the host, else for all hosts of the inventory."""
        for each in self._nearest_first(resource):
            found = getattr(each.limits, metric, None)
            if found is not None:
                return found.limit(METRICS[metric])  # type: ignore[no-any-return]
        return None

    def unknown_limit(self, resource: Resource | None = None) -> float | None:
        """The seconds for which a check of `resource`, else of the host, may stay unknown; None if undeclared."""
        declared = (each.unknown_for for each in self._nearest_first(resource))
        return next((each for each in declared if each is not None), None)

    def owner_of(self, resource: Resource | None = None) -> str:
        """The owner of `resource`, else of the host, else of the file; empty if undeclared."""
        return next((each.owner for each in self._own(resource) if each.owner), "")

    def links_of(self, resource: Resource | None = None) -> list[str]:
        """The links of `resource`, of the host and of the file."""
        return list(dict.fromkeys(link for each in self._own(resource) for link in each.see))

    def _own(self, resource: Resource | None) -> "tuple[Owned, ...]":
        """As `_nearest_first`, without the extended files."""
        return (*([resource] if resource else []), self, *self._inherited[:1])

    def _nearest_first(self, resource: Resource | None) -> "tuple[Resource | Host | InventoryFile, ...]":
        return (*([resource] if resource else []), self, *self._inherited)


RESOURCES: dict[str, str] = {
    "pm2": "pm2",
    "clock": "clock",
    "process": "processes",
    "plain_process": "processes",
    "listening_process": "processes",
    "log": "logs",
    "log_folder": "log_folders",
    "rotation": "rotation",
    "endpoint": "endpoints",
    "health_endpoint": "endpoints",
    "service_endpoint": "endpoints",
    "redirect": "endpoints",
    "mount": "mounts",
    "mountpoint": "mounts",
    "database": "databases",
    "contained_database": "databases",
    "archived_database": "databases",
    "partitioned": "partitioned",
    "backup": "backups",
    "dumped_backup": "backups",
    "archived_backup": "backups",
    "files_backup": "backups",
    "database_backup": "backups",
    "kept_backup": "backups",
    "local_backup": "backups",
    "offsite_backup": "backups",
    "data": "data",
    "vector_index": "vector_indexes",
    "ivfflat_index": "vector_indexes",
    "container": "containers",
    "docker": "docker",
    "broker": "broker",
    "queue": "queues",
    "work_queue": "queues",
    "consumed_queue": "queues",
    "stream": "queues",
    "dead_letter_queue": "queues",
    "cache": "caches",
    "sshd": "sshd",
    "systemd": "systemd",
    "unit": "units",
    "enabled_unit": "units",
    "disabled_unit": "units",
    "scheduled_unit": "units",
    "listening_unit": "units",
    "listening": "listening",
    "port": "ports",
    "schedule": "schedule",
    "job": "jobs",
}
"""The inventory table of each kind of resource, by its argument in tests."""


for _package, _argument, _table in extended.tables():
    if _argument in RESOURCES or _table in Host.__annotations__:
        extensions.fail(_package, f"resources: {_argument} or its table {_table} exists already: rename it")
    else:
        RESOURCES[_argument] = _table

SELECTORS: dict[str, Callable[[Any], bool]] = {
    "process": lambda process: not process.is_plain,
    "plain_process": lambda process: process.is_plain,
    "listening_process": lambda process: process.is_plain and bool(process.listens),
    "health_endpoint": lambda endpoint: endpoint.answer in HEALTH_ANSWERS,
    "service_endpoint": lambda endpoint: endpoint.answer == "health",
    "redirect": lambda endpoint: endpoint.answer == "redirect",
    "mountpoint": lambda mount: mount.mountpoint,
    "contained_database": lambda database: bool(database.container),
    "archived_database": lambda database: database.archived,
    "dumped_backup": lambda backup: backup.engine == "pg_dump",
    "archived_backup": lambda backup: backup.engine == "pgbackrest",
    "files_backup": lambda backup: backup.engine == "files",
    "database_backup": lambda backup: backup.engine != "files",
    "kept_backup": lambda backup: backup.engine != "pgbackrest",
    "local_backup": lambda backup: bool(backup.folder),
    "offsite_backup": lambda backup: bool(backup.off_site),
    "ivfflat_index": lambda index: index.method == "ivfflat",
    "work_queue": lambda queue: queue.kind == "work",
    "consumed_queue": lambda queue: queue.kind in ("work", "stream"),
    "stream": lambda queue: queue.kind == "stream",
    "dead_letter_queue": lambda queue: queue.kind == "dead-letter",
    "enabled_unit": lambda unit: unit.enabled,
    "disabled_unit": lambda unit: not unit.enabled,
    "scheduled_unit": lambda unit: unit.every is not None,
    "listening_unit": lambda unit: bool(unit.listens),
}
"""A condition for each kind of resource with only some entries of a table."""


def _always(_: object) -> bool:
    return True


def resource_in(params: dict[str, str]) -> tuple[str, str]:
    """The kind and the name of the resource in a test's parameters; two empty strings without a resource."""
    return next(((resource, params[resource]) for resource in RESOURCES if resource in params), ("", ""))


class Waiver(Model):
    """A known failure, tolerated until the waiver expires."""

    check: str = Field(description="name of the check, for example test_disk_has_free_space")
    on: str = Field(description="parameter of the check as in the report, for example vps-00-/var")
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    expires: datetime.date = Field(description="last day of the waiver")
    ceiling: float | None = Field(
        None, description="largest value that the waiver tolerates, in the unit of the metric"
    )


class Acknowledgement(Model):
    """A finding that somebody works on. The verdict stays."""

    check: str = Field(description="name of the check, for example test_disk_has_free_space")
    on: str = Field(description="parameter of the check as in the report, for example vps-00-/var")
    by: str = Field(min_length=1, description="the person who works on the finding")
    due: datetime.date = Field(description="the day by which it is repaired; from the next day on, overdue")
    note: str = Field("", description="what is done, or a ticket")

    def said(self, today: datetime.date) -> str:
        """Person, due date and note, for the finding."""
        when = f"due {self.due}" if today <= self.due else f"overdue since {self.due}"
        return f"{self.by}, {when}" + (f": {self.note}" if self.note else "")


class Reports(Model):
    """The folder of reports."""

    keep: Duration = Field(
        description="after a complete run, pages, XML files and recordings older than this are removed, except of the "
        "last run of each round"
    )


class InventoryFile(Reviewed):
    """An inventory file."""

    extends: str = Field(
        "", description="another inventory with the default limits: relative to this file, or opsproof:metachat.toml"
    )
    limits: LimitTable = Field(default_factory=LimitTable)
    unknown_for: Duration | None = Field(None, description=UNKNOWN_FOR)
    hosts: Annotated[dict[str, Host], Field(min_length=1)]
    waivers: list[Waiver] = Field(default_factory=list)
    acknowledged: list[Acknowledgement] = Field(default_factory=list)
    reports: Reports | None = None
