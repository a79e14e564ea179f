"""The backups that a host can declare."""

import posixpath
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from opsproof.inventory.resources import PATH, WORD, Duration, InDatabase, userinfo

_DUMPS = {
    *("user", "passfile", "restore_passfile", "load_user", "load_passfile", "lock_wait", "off_site", "off_site_keep"),
    *("age_recipient", "keep", "keep_weekly", "keep_monthly", "keep_least", "drill", "drill_user", "not_dumped"),
}
_STANZAS = {
    *("stanza", "config", "repo", "full_every", "between"),
    *("data", "programs", "scratch", "stop", "start"),
}
_FILES = {"paths", "exclude"}
_KEPT = {"keep", "keep_weekly", "keep_monthly", "keep_least", "off_site", "off_site_keep", "age_recipient"}
_ENGINE_KEYS = {
    "pg_dump": (_STANZAS | _FILES | {"run_as"}, ("database", "folder", "user")),
    "pgbackrest": (_DUMPS | _FILES, ("database", "stanza")),
    "files": ((_DUMPS - _KEPT) | _STANZAS | {"database", "restore_user", "tables"}, ("folder", "paths")),
}
"""For each engine: the keys that are not valid, and the required keys."""


def _path(text: str) -> str:
    if "\n" in text or not re.search(r"[^/.]", text):
        raise ValueError(f"{text!r} is no file or folder")
    return posixpath.normpath(text)


Path = Annotated[str, AfterValidator(_path)]
"""A file or folder of a host, but not the root folder."""


class Backup(InDatabase):
    """Backups of a database, or of files.

    Dumps or archives in a folder of the login user, or the backups of a pgBackRest stanza.
    """

    database: str = Field("", description="declared database; not for engine files")
    engine: Literal["pg_dump", "pgbackrest", "files"] = Field(
        "pg_dump", description="what makes the backups: pg_dump, pgbackrest, or, for files, tar"
    )
    paths: list[Path] = Field(default_factory=list, description="files: files and folders to back up")
    exclude: dict[Annotated[str, Field(pattern=r"^[^\n]+$")], Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict, description="files: shell patterns of paths to leave out, with the reason"
    )
    folder: str = Field(
        "", pattern=r"^[^\n]*$", description="folder on the host: of the login user, or the pgBackRest repository"
    )
    user: str = Field("", description="pg_dump: role that reads every table and bypasses row-level security")
    passfile: str = Field("", description="pg_dump: libpq password file on the host")
    restore_user: str = Field("", description="superuser for restores, if the backup role is not a superuser")
    restore_passfile: str = Field("", description="pg_dump: libpq password file of restore_user")
    load_user: str = Field(
        "", description="pg_dump: role without rights that loads archives, so that their code runs without rights"
    )
    load_passfile: str = Field("", description="pg_dump: libpq password file of load_user")
    drill: Literal["database", "container", "cluster"] = Field(
        "database", description="pg_dump: where drills restore: on the live server, in a container, or in a cluster"
    )
    drill_user: str = Field("", pattern=WORD, description="pg_dump: user of the host who runs the cluster of drills")
    tables: list[str] = Field(default_factory=list, description="tables required in each backup, as schema.table")
    not_dumped: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict, description="pg_dump: what backups may leave out, with the reason"
    )
    keep: Duration = Field(30 * 86400.0, description="retention of every backup")
    keep_weekly: int = Field(0, ge=0, description="number of weekly backups kept longer")
    keep_monthly: int = Field(0, ge=0, description="number of monthly backups kept longer")
    keep_least: int = Field(3, ge=1, description="verified backups kept regardless of age")
    off_site: list[str] = Field(
        default_factory=list,
        description="targets of copies: a folder of the host, ssh://user@host/path, s3://bucket/path",
    )
    off_site_keep: Literal["same", "all"] = Field(
        "same", description="same: copies are pruned like backups; all: opsproof prunes no copies"
    )
    age_recipient: str = Field("", description="age public key that encrypts the copies")
    lock_wait: Duration = Field(60.0, description="pg_dump: longest wait for a table lock")
    timeout: Duration = Field(6 * 3600.0, description="timeout of a backup, a verification and a restore")
    stanza: str = Field("", pattern=WORD, description="pgbackrest: stanza")
    config: str = Field("", pattern=PATH, description="pgbackrest: configuration file, if not the default")
    repo: int = Field(1, ge=1, le=256, description="pgbackrest: number of the repository")
    run_as: str = Field(
        "", description="pgbackrest: owner of the server; files: user who may read the paths (sudo -n -u)"
    )
    full_every: Duration = Field(7 * 86400.0, description="pgbackrest: interval of full backups")
    between: Literal["diff", "incr"] = Field("diff", description="pgbackrest: type of the backups between full backups")
    data: str = Field("", pattern=PATH, description="pgbackrest: data directory of the cluster")
    programs: str = Field("", pattern=PATH, description="folder of the server programs; default: Debian's")
    scratch: str = Field(
        "", pattern=PATH, description="folder for drills; default, for pgbackrest: next to the data directory"
    )
    stop: list[str] = Field(default_factory=list, description="pgbackrest: command that stops the cluster")
    start: list[str] = Field(default_factory=list, description="pgbackrest: command that starts the cluster")

    @model_validator(mode="after")
    def _has_keys_of_its_engine(self) -> "Backup":
        invalid, required = _ENGINE_KEYS[self.engine]
        if self.drill == "cluster":
            invalid, required = invalid - {"programs", "scratch"}, (*required, "drill_user", "scratch")
        elif self.drill_user:
            raise ValueError('`drill_user` is valid only for drill = "cluster": remove it')
        if self.paths and self.engine != "files":
            raise ValueError('`paths` needs engine = "files": add it')
        if given := sorted(self.model_fields_set & invalid):
            raise ValueError(f"`{given[0]}` is not valid for engine {self.engine}: remove it")
        if missing := [key for key in required if not getattr(self, key)]:
            what = 'drill = "cluster"' if missing[0] in {"drill_user", "scratch"} else f"engine {self.engine}"
            raise ValueError(f"{what} requires `{missing[0]}`: add it")
        return self

    @field_validator("paths")
    @classmethod
    def _are_apart(cls, paths: list[str]) -> list[str]:
        for each in paths:
            if outer := [other for other in paths if each is not other and f"{each}/".startswith(f"{other}/")]:
                raise ValueError(f"{each} is inside {outer[0]}: remove it")
        return paths

    @field_validator("off_site")
    @classmethod
    def _has_no_secret(cls, targets: list[str]) -> list[str]:
        return [target(each) for each in targets]

    @model_validator(mode="after")
    def _copies_outside_the_folder(self) -> "Backup":
        if self.folder.rstrip("/") in [each.rstrip("/") for each in self.off_site]:
            raise ValueError("off_site contains the backup folder itself")
        return self


def target(text: str) -> str:
    """The `text`, if it is a valid target of copies.

    Raises:
        ValueError: the text is no target, or contains credentials.
    """
    if not re.match(r"(?!\w+://)[^\n]|ssh://[^/]+/|s3://[^/]", text):
        raise ValueError(f"{text!r} is not a folder, ssh://user@host/path or s3://bucket/path")
    if ":" in userinfo(text) or (text.startswith("s3:") and userinfo(text)):
        raise ValueError("the off_site target contains credentials: keep them where opsproof runs")
    return text
