"""The tables of an inventory: hosts with what is declared on them, limits, waivers."""

import datetime
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, field_validator, model_validator

from opsproof.core.limits import Limit
from opsproof.core.metrics import METRICS
from opsproof.inventory.resources import (
    Backup,
    Broker,
    Cache,
    Clock,
    Container,
    Database,
    Endpoint,
    LimitTable,
    Log,
    LogFolder,
    Model,
    Mount,
    Partitioned,
    Pm2,
    Process,
    Queue,
    Resource,
    Rotation,
    Sshd,
    Systemd,
    VectorIndex,
    userinfo,
)


class Host(Model):
    """One host: how it is reached and what it is declared to run."""

    _name: str = PrivateAttr("")
    _inherited: tuple[LimitTable, ...] = PrivateAttr(())
    transport: str = Field(description="a testinfra host specification: local://, ssh://ops@vps-00, docker://name")
    run_as: str = Field("", description="user that owns the application, when the login user is another (sudo -n -u)")
    docker_as: str = Field("", description="user that may ask Docker, when the login user may not (sudo -n -u)")
    path: list[str] = Field(default_factory=list, description="folders put before the host's search path")
    limits: LimitTable = Field(default_factory=LimitTable)
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
    vector_indexes: dict[str, VectorIndex] = Field(default_factory=dict)
    containers: dict[str, Container] = Field(default_factory=dict)
    broker: Broker | None = None
    queues: dict[str, Queue] = Field(default_factory=dict)
    caches: dict[str, Cache] = Field(default_factory=dict)
    sshd: Sshd | None = None
    systemd: Systemd | None = None

    @field_validator("transport")
    @classmethod
    def _keeps_no_secret(cls, transport: str) -> str:
        if ":" in userinfo(transport):
            raise ValueError("the transport holds a password: use a key, and an agent or an ssh_config that names it")
        return transport

    @model_validator(mode="after")
    def _is_whole(self) -> "Host":
        if self.processes and self.pm2 is None:
            raise ValueError("processes are declared, but no pm2 table says where their daemon is")
        if self.rotation and self.pm2 is None:
            raise ValueError("a rotation is declared, but no pm2 table says where its settings are")
        if self.queues and self.broker is None:
            raise ValueError("queues are declared, but no broker table says where they are")
        for name, database in self.databases.items():
            if database.container and database.container not in self.containers:
                raise ValueError(f"databases.{name} runs in {database.container}, which is no declared container")
        return self

    @model_validator(mode="after")
    def _backs_up_what_it_has(self) -> "Host":
        for name, backup in self.backups.items():
            if backup.database not in self.databases:
                raise ValueError(f"backups.{name} is of {backup.database}, which is no declared database")
            if backup.drill == "container" and not self.databases[backup.database].container:
                raise ValueError(
                    f"backups.{name}: {backup.database} runs in no container whose image a drill could use"
                )
            if backup.engine == "pgbackrest":
                self._archive(name, backup.database)
        return self

    @model_validator(mode="after")
    def _has_their_databases(self) -> "Host":
        for name, table in self.partitioned.items():
            if table.database not in self.databases:
                raise ValueError(f"partitioned.{name} is of {table.database}, which is no declared database")
        for name, index in self.vector_indexes.items():
            if index.database not in self.databases:
                raise ValueError(f"vector_indexes.{name} is in {index.database}, which is no declared database")
            if index.budget >= self.databases[index.database].timeout:
                raise ValueError(f"vector_indexes.{name}: its budget is not less than the timeout of its database")
        return self

    def _archive(self, name: str, database_name: str) -> None:
        database = self.databases[database_name]
        if database.container:
            raise ValueError(f"backups.{name} is of a database in a container, and pgBackRest runs on the host")
        if not database.archived:
            raise ValueError(
                f"backups.{name} has an archive of the log: give databases.{database_name} archived = true"
            )

    @property
    def name(self) -> str:
        """The key under which the inventory declares this host."""
        return self._name

    def placed(self, name: str, inherited: tuple[LimitTable, ...]) -> "Host":
        """This host under its `name`, with the tables whose limits hold where it has none, nearest first."""
        self._name, self._inherited = name, inherited
        return self

    def resources(self, resource: str) -> dict[str, Resource]:
        """What is declared of `resource`, by name; where a host has at most one, it stands under ``""``."""
        declared = getattr(self, RESOURCES[resource])
        if declared is None:
            return {}
        if isinstance(declared, Resource):
            return {"": declared}
        return {name: each for name, each in declared.items() if SELECTORS.get(resource, _always)(each)}

    def limit(self, metric: str, resource: Resource | None = None) -> Limit | None:
        """The limit of `metric` for `resource`, else for the host, else for all hosts of its inventory."""
        for table in (resource.limits if resource else None, self.limits, *self._inherited):
            found = getattr(table, metric, None)
            if found is not None:
                return found.limit(METRICS[metric])  # type: ignore[no-any-return]
        return None


RESOURCES: dict[str, str] = {
    "pm2": "pm2",
    "clock": "clock",
    "process": "processes",
    "log": "logs",
    "log_folder": "log_folders",
    "rotation": "rotation",
    "endpoint": "endpoints",
    "health_endpoint": "endpoints",
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
    "local_backup": "backups",
    "offsite_backup": "backups",
    "vector_index": "vector_indexes",
    "ivfflat_index": "vector_indexes",
    "container": "containers",
    "broker": "broker",
    "queue": "queues",
    "work_queue": "queues",
    "dead_letter_queue": "queues",
    "cache": "caches",
    "sshd": "sshd",
    "systemd": "systemd",
}
"""The test argument of each resource, and the inventory's table that declares it."""


SELECTORS: dict[str, Callable[[Any], bool]] = {
    "health_endpoint": lambda endpoint: endpoint.answer == "health",
    "redirect": lambda endpoint: endpoint.answer == "redirect",
    "mountpoint": lambda mount: mount.mountpoint,
    "contained_database": lambda database: bool(database.container),
    "archived_database": lambda database: database.archived,
    "dumped_backup": lambda backup: backup.engine == "pg_dump",
    "archived_backup": lambda backup: backup.engine == "pgbackrest",
    "local_backup": lambda backup: bool(backup.folder),
    "offsite_backup": lambda backup: bool(backup.off_site),
    "ivfflat_index": lambda index: index.method == "ivfflat",
    "work_queue": lambda queue: queue.kind == "work",
    "dead_letter_queue": lambda queue: queue.kind == "dead-letter",
}
"""Which of a table's entries a resource means, where it does not mean all."""


def _always(_: object) -> bool:
    return True


def resource_in(params: dict[str, str]) -> tuple[str, str]:
    """The resource and its name that a test's parameters hold; two empty words where they hold none."""
    return next(((resource, params[resource]) for resource in RESOURCES if resource in params), ("", ""))


class Waiver(Model):
    """A known failure that is tolerated until it expires."""

    check: str = Field(description="name of the check, for example test_disk_has_free_space")
    on: str = Field(description="its parameter as in the report, for example vps-00-/var")
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    expires: datetime.date = Field(description="the last day on which the failure is tolerated")
    ceiling: float | None = Field(None, description="a measured value over it fails all the same, in the metric's unit")


class InventoryFile(Model):
    """A whole inventory file."""

    extends: str = Field("", description="an inventory beside this one, whose limits hold where none is given here")
    limits: LimitTable = Field(default_factory=LimitTable)
    hosts: Annotated[dict[str, Host], Field(min_length=1)]
    waivers: list[Waiver] = Field(default_factory=list)
