"""Whether a database server is set up to lose nothing and let nobody in: settings, version, extensions, roles."""

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
    """A server's version, the settings that are judged, and what it says of itself; `now` is its own clock.

    `pending` are the settings that wait for a restart, `damaged` the pages with a wrong checksum by database.
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
        """Those of the settings `names` that are not on.

        Raises:
            MeasurementError: the server does not show one.
        """
        if hidden := [each for each in names if each not in self.settings]:
            raise MeasurementError(f"the server does not show {', '.join(hidden)}: grant the role pg_monitor")
        return [each for each in names if self.settings[each] != "on"]

    @property
    def folder(self) -> str:
        """Where its data lie."""
        return self.settings.get("data_directory", "")

    @property
    def checksum_failures(self) -> int:
        """How often a page was read whose checksum was wrong, since the statistics were last reset.

        Raises:
            MeasurementError: pages have no checksums.
        """
        if self.off("data_checksums"):
            raise MeasurementError("pages have no checksums, so nobody notices when one is damaged")
        return sum(self.damaged.values())

    @property
    def missed(self) -> list[Release]:
        """Releases with fixes of vulnerabilities that came after the server's.

        Raises:
            MeasurementError: nothing is known of its major version.
        """
        return releases().missed(self.major, self.minor)

    @property
    def known(self) -> Releases:
        """What is known of releases."""
        return releases()


class DatabaseServers(SqlFact[DatabaseServer]):
    """Version, settings, pending restarts and damaged pages of each database's server."""

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
            raise MeasurementError("the server hides settings from the role: grant it pg_monitor")
        return DatabaseServer(int(version), {**settings}, tuple(pending), {**damaged}, float(now))


@dataclass(frozen=True)
class Extension:
    """An installed extension; `available` is the version that the server's files have, or empty where they are gone."""

    name: str
    installed: str
    available: str

    def __str__(self) -> str:
        return f"{self.name} {self.installed}, available {self.available or 'no more'}"


class DatabaseExtensions(SqlFact[tuple[Extension, ...]]):
    """The extensions of a database."""

    sql = """
        SELECT extname, extversion, coalesce(default_version, '')
          FROM pg_extension LEFT JOIN pg_available_extensions ON name = extname
         ORDER BY extname
    """

    def parse(self, result: Result, database: Database) -> tuple[Extension, ...]:
        """A database without any was made by hand: it has not even plpgsql, and nothing to judge."""
        return tuple(Extension(*_texts(row)) for row in result.require())


def _texts(row: list[object]) -> tuple[str, str, str]:
    name, installed, available = row
    return str(name), str(installed), str(available)


@dataclass(frozen=True)
class Role:
    """A role of the server; `expires_s` is the time until its password expires, or None where it does not."""

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
    """The roles of a server against those that are declared."""

    roles: tuple[Role, ...]
    declared: Database

    @property
    def undeclared_superusers(self) -> list[str]:
        """Roles that may do everything, and that the inventory does not know of."""
        return [each.name for each in self.roles if each.is_superuser and each.name not in self.declared.superusers]

    @property
    def expiring(self) -> list[Role]:
        """Roles that can log in until their password expires, the first first."""
        found = [each for each in self.roles if each.can_log_in and each.expires_s is not None]
        return sorted(found, key=lambda each: each.expires_s or 0.0)

    @property
    def in_a_quarter(self) -> str:
        """The day on which a password may expire that is set today."""
        return f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}"

    @property
    def unexpected(self) -> list[str]:
        """What is not as declared: passwords that expire without being meant to, and that do not though they are."""
        names, meant = [each.name for each in self.expiring], self.declared.expiring_passwords
        return [
            *(f"the password of {each} expires, which nobody declared" for each in names if each not in meant),
            *(f"the password of {each} does not expire" for each in meant if each not in names),
        ]


class DatabaseRoles(SqlFact[ServerRoles]):
    """The superusers of each database's server, and the passwords that expire."""

    sql = """
        SELECT rolname, rolsuper, rolcanlogin,
               CASE WHEN isfinite(rolvaliduntil) THEN extract(epoch FROM rolvaliduntil - now())::float8 END
          FROM pg_roles
    """

    def parse(self, result: Result, database: Database) -> ServerRoles:
        """At least the asking role is there."""
        roles = tuple(_role(*row) for row in result.require())
        if not roles:
            raise OutputError("pg_roles shows no role, not even the one that asks")
        return ServerRoles(roles, database)


def _role(name: str, is_superuser: bool, can_log_in: bool, expires_s: float | None) -> Role:
    return Role(name, bool(is_superuser), bool(can_log_in), None if expires_s is None else float(expires_s))
