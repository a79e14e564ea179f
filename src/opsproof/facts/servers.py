"""Durability, security fixes and superusers of database servers: settings, version, extensions, roles."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opsproof.core.errors import MeasurementError, OutputError
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.releases import Release, Releases, releases
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class DatabaseServer:
    """Version and settings of a server; `now` is the server's clock.

    `pending` are settings that need a restart, `damaged` the checksum failures by database.
    """

    version: int
    settings: dict[str, str]
    pending: tuple[str, ...]
    damaged: dict[str, int]
    now: float

    @property
    def major(self) -> int:
        """18 of 18.6."""
        return self.version // 10000

    @property
    def minor(self) -> int:
        """6 of 18.6."""
        return self.version % 10000

    def off(self, *names: str) -> list[str]:
        """Settings among `names` that are off.

        Raises:
            MeasurementError: a setting is hidden from the role.
        """
        if hidden := [each for each in names if each not in self.settings]:
            raise MeasurementError(f"permission denied for settings {', '.join(hidden)}: grant pg_monitor to the role")
        return [each for each in names if self.settings[each] != "on"]

    @property
    def folder(self) -> str:
        """Data directory."""
        return self.settings.get("data_directory", "")

    @property
    def checksum_failures(self) -> int:
        """Reads of pages with a wrong checksum since the last statistics reset.

        Raises:
            MeasurementError: data checksums are off.
        """
        if self.off("data_checksums"):
            raise MeasurementError("data checksums are off, so damaged pages go unnoticed")
        return sum(self.damaged.values())

    @property
    def missed(self) -> list[Release]:
        """Security releases newer than the server.

        Raises:
            MeasurementError: the major version is unknown.
        """
        return releases().missed(self.major, self.minor)

    @property
    def known(self) -> Releases:
        """The release list."""
        return releases()


class DatabaseServers(SqlFact[DatabaseServer]):
    """Version, settings, pending restarts and checksum failures of each database's server."""

    sql = """
        SELECT current_setting('server_version_num')::int,
               (SELECT json_object_agg(name, setting) FROM pg_settings
                 WHERE name IN ('autovacuum', 'track_counts', 'fsync', 'full_page_writes', 'data_checksums',
                                'data_directory')),
               (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart),
               (SELECT coalesce(json_object_agg(coalesce(datname, 'shared'), checksum_failures), '{}')
                  FROM pg_stat_database WHERE checksum_failures > 0),
               extract(epoch FROM now())::float8, pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
    """

    def parse(self, result: Result, database: Database) -> DatabaseServer:
        """One row."""
        ((version, settings, pending, damaged, now, sees_all),) = result.require()
        if not sees_all:
            raise MeasurementError("the role may not read all settings: grant pg_monitor to the role")
        return DatabaseServer(int(version), {**settings}, tuple(pending), {**damaged}, float(now))


@dataclass(frozen=True)
class Extension:
    """An installed extension; `available` is the version of the server's files, empty without files."""

    name: str
    installed: str
    available: str

    def __str__(self) -> str:
        return f"{self.name} {self.installed}, available: {self.available or 'no files'}"


class DatabaseExtensions(SqlFact[tuple[Extension, ...]]):
    """Extensions of a database."""

    sql = """
        SELECT extname, extversion, coalesce(default_version, '')
          FROM pg_extension LEFT JOIN pg_available_extensions ON name = extname
         ORDER BY extname
    """

    def parse(self, result: Result, database: Database) -> tuple[Extension, ...]:
        """No row is a valid answer: all extensions were dropped, even plpgsql."""
        return tuple(Extension(*_texts(row)) for row in result.require())


def _texts(row: list[object]) -> tuple[str, str, str]:
    name, installed, available = row
    return str(name), str(installed), str(available)


@dataclass(frozen=True)
class Role:
    """A role; `expires_s` is the time until the password expires, None for never."""

    name: str
    is_superuser: bool
    can_log_in: bool
    expires_s: float | None

    def __str__(self) -> str:
        if self.expires_s is None:
            return self.name
        return (
            f"{self.name}: {'expired' if self.expires_s < 0 else 'expires in'} {show(abs(self.expires_s), 'seconds')}"
        )


@dataclass(frozen=True)
class ServerRoles:
    """Roles of a server, with the declared database."""

    roles: tuple[Role, ...]
    declared: Database

    @property
    def undeclared_superusers(self) -> list[str]:
        """Superusers missing from the inventory."""
        return [each.name for each in self.roles if each.is_superuser and each.name not in self.declared.superusers]

    @property
    def expiring(self) -> list[Role]:
        """Login roles with an expiring password, the earliest first."""
        found = [each for each in self.roles if each.can_log_in and each.expires_s is not None]
        return sorted(found, key=lambda each: each.expires_s or 0.0)

    @property
    def in_a_quarter(self) -> str:
        """Expiry date for a password set today."""
        return f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}"

    @property
    def unexpected(self) -> list[str]:
        """Passwords that expire undeclared, or never expire although declared to."""
        names, meant = [each.name for each in self.expiring], self.declared.expiring_passwords
        return [
            *(f"the password of {each} expires (undeclared)" for each in names if each not in meant),
            *(f"the password of {each} does not expire (declared to expire)" for each in meant if each not in names),
        ]


class DatabaseRoles(SqlFact[ServerRoles]):
    """Superusers of each database's server, and expiring passwords."""

    sql = """
        SELECT rolname, rolsuper, rolcanlogin,
               CASE WHEN isfinite(rolvaliduntil) THEN extract(epoch FROM rolvaliduntil - now())::float8 END
          FROM pg_roles
    """

    def parse(self, result: Result, database: Database) -> ServerRoles:
        """The query's own role is always listed."""
        roles = tuple(_role(*row) for row in result.require())
        if not roles:
            raise OutputError("pg_roles is empty: even the current role is missing")
        return ServerRoles(roles, database)


def _role(name: str, is_superuser: bool, can_log_in: bool, expires_s: float | None) -> Role:
    return Role(name, bool(is_superuser), bool(can_log_in), None if expires_s is None else float(expires_s))
