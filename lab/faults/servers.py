"""Faults of the database server: its settings, pages, version, extensions, roles, keys and partitions."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from lab import Lab
from lab.fault import EVERYTHING, shows
from lab.faults.fault import fault
from lab.faults.vacuum import DATABASE, RESTARTED, setting, table
from lab.layout import REPOSITORY

RELEASES = REPOSITORY / "src" / "opsproof" / "facts" / "postgres_releases.json"
KEYS = f"test_key_values_are_available[{DATABASE}]"
MESSAGES = "lab-messages"


@fault(failed=(KEYS,), touches=("tickets",))
@shows("tickets_id_seq.* 1825361100")
def sequence_nearly_exhausted(lab: Lab) -> Iterator[None]:
    """An integer identity column has used 85 % of its values."""
    made = "CREATE TABLE tickets (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"
    with table(lab, "tickets", made, "SELECT setval('tickets_id_seq', 1825361100)"):
        yield


@fault(warned=(KEYS,), touches=("tickets",))
@shows("number .* 1503238553")
def integer_key_nearly_exhausted(lab: Lab) -> Iterator[None]:
    """The sequence is bigint, but its column is integer and nearly exhausted."""
    made = (
        "CREATE SEQUENCE number AS bigint",
        "CREATE TABLE tickets (id integer PRIMARY KEY DEFAULT nextval('number'))",
    )
    owned = "ALTER SEQUENCE number OWNED BY tickets.id"
    with table(lab, "tickets", *made, owned, "SELECT setval('number', 1503238553)"):
        yield


@fault(unknown=(KEYS,), touches=("tickets",))
def sequence_hidden(lab: Lab) -> Iterator[None]:
    """The monitor's read privilege was revoked."""
    made = ("CREATE TABLE tickets (id serial PRIMARY KEY)", "REVOKE ALL ON tickets_id_seq FROM opsproof_monitor")
    with table(lab, "tickets", *made):
        yield


def _month(ahead: int) -> tuple[datetime, datetime]:
    """Start and end of the month `ahead` months from now, negative for the past."""
    now = datetime.now(UTC).replace(tzinfo=None)
    numbers = (now.year * 12 + now.month - 1 + ahead + each for each in (0, 1))
    start, end = (datetime(each // 12, each % 12 + 1, 1) for each in numbers)  # noqa: DTZ001
    return start, end


@fault(failed=(f"test_future_partitions_exist[{MESSAGES}]",), touches=("messages",))
def next_partition_missing(lab: Lab) -> Iterator[None]:
    """The partition for next month was not created."""
    start, end = _month(1)
    with lab.connect() as admin:
        admin.execute(f"DROP TABLE messages_{start:%Y_%m}".encode())
        yield
        bounds = sql.SQL("FOR VALUES FROM ({}) TO ({})").format(sql.Literal(start), sql.Literal(end))
        name = sql.Identifier(f"messages_{start:%Y_%m}")
        admin.execute(sql.SQL("CREATE TABLE {} PARTITION OF messages {}").format(name, bounds))


@fault(
    failed=(f"test_partitions_have_no_gap[{MESSAGES}]",),
    may_change=(f"test_statistics_are_current[{DATABASE}]",),
    touches=("messages",),
)
@shows(r"messages_\d{4}_\d\d +\| f")
def past_month_detached(lab: Lab) -> Iterator[None]:
    """A partition was detached, and never attached again."""
    start, end = _month(-1)
    name = f"messages_{start:%Y_%m}"
    with lab.connect() as admin:
        admin.execute(f"ALTER TABLE messages DETACH PARTITION {name}".encode())
        yield
        admin.execute(f"ALTER TABLE messages ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')".encode())


@fault(failed=(f"test_default_partition_is_empty[{MESSAGES}]",), touches=("messages",))
@shows("messages_default")
def row_in_default_partition(lab: Lab) -> Iterator[None]:
    """A row outside the range of every partition."""
    made = "CREATE TABLE messages_default PARTITION OF messages DEFAULT"
    columns = '(id, "tenantId", "conversationId", direction, content, "timestamp")'
    row = f"INSERT INTO messages {columns} VALUES ('lost', 'ten00001', 'cnv000001', 'inbound', 'late', '2001-01-01')"
    with table(lab, "messages_default", made, row):
        yield


@fault(
    failed=(f"test_data_checksums_are_enabled[{DATABASE}]",),
    unknown=(f"test_no_checksum_failure_is_counted[{DATABASE}]",),
    may_change=RESTARTED,
    touches=(EVERYTHING,),
)
@shows("^ off$")
def checksums_off(lab: Lab) -> Iterator[None]:
    """The server was moved to a data directory without checksums."""
    lab.stop_database()
    lab.server.administer("pg_checksums", "--disable")
    lab.up()
    yield
    lab.stop_database()
    lab.server.administer("pg_checksums", "--enable")
    lab.up()


@fault(failed=(f"test_no_checksum_failure_is_counted[{DATABASE}]",))
@shows("damaged")
def page_damaged(lab: Lab) -> Iterator[None]:
    """The disk flipped a byte of a page in another database of the server, and a query read the page."""
    with lab.connect() as admin:
        admin.execute("CREATE DATABASE sound")
        with lab.connect(database="sound") as other:
            other.execute("CREATE TABLE page AS SELECT n FROM generate_series(1, 100) n")
            ((path,),) = other.execute("SELECT pg_relation_filepath('page')").fetchall()
        # The pages of a new copy are not in shared buffers yet.
        admin.execute("CREATE DATABASE damaged TEMPLATE sound STRATEGY file_copy")
        ((number,),) = admin.execute("SELECT oid FROM pg_database WHERE datname = 'damaged'").fetchall()
        _flip(lab.server.data / "base" / str(number) / Path(path).name)
        with lab.connect(database="damaged") as reader, suppress(psycopg.errors.DataCorrupted):
            reader.execute("SELECT count(*) FROM page")
        yield
        for name in ("damaged", "sound"):
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 1]))


@fault(failed=(f"test_writes_are_durable[{DATABASE}]",))
def fsync_off(lab: Lab) -> Iterator[None]:
    """Switched off to speed up a restore, and never switched on again."""
    with setting(lab, "fsync", "off"):
        yield


@fault(failed=(f"test_no_setting_is_pending_restart[{DATABASE}]",))
@shows("max_connections")
def restart_pending(lab: Lab) -> Iterator[None]:
    """max_connections was raised, which needs a restart."""
    with setting(lab, "max_connections", "60"):
        yield


def _with_release_list(edit: str) -> tuple[str, ...]:
    """A command prefix that edits the shipped list of releases for the command."""
    script = f'f=$(mktemp) && sed -E "$0" {RELEASES} > "$f" && mount --bind "$f" {RELEASES} && rm "$f" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, edit)


@fault(
    failed=(f"test_security_fixes_are_installed[{DATABASE}]",),
    wrapper=_with_release_list('s/"18": [0-9]+/"18": 99/'),
    root=True,
)
def security_release_missed(lab: Lab) -> Iterator[None]:
    """Newer minor versions with fixes were released."""
    yield


@fault(
    failed=(f"test_security_fixes_are_installed[{DATABASE}]",),
    wrapper=_with_release_list('s/"as_of": "[0-9-]+"/"as_of": "2010-01-01"/'),
    root=True,
)
def release_list_outdated(lab: Lab) -> Iterator[None]:
    """The installed opsproof is years old, so newer releases are unknown."""
    yield


@fault(
    failed=(f"test_version_is_supported[{DATABASE}]",),
    wrapper=_with_release_list('s/"18": "[0-9-]+"/"18": "2010-01-01"/'),
    root=True,
)
def version_out_of_support(lab: Lab) -> Iterator[None]:
    """The major version has reached its end of life."""
    yield


@fault(failed=(f"test_extensions_are_up_to_date[{DATABASE}]",))
def extension_outdated(lab: Lab) -> Iterator[None]:
    """The packages were upgraded without ALTER EXTENSION UPDATE."""
    with lab.connect() as admin:
        admin.execute("CREATE EXTENSION hstore VERSION '1.4'")
        yield
        admin.execute("DROP EXTENSION hstore")


@fault(failed=(f"test_superusers_are_declared[{DATABASE}]",))
def superuser_added(lab: Lab) -> Iterator[None]:
    """A role got superuser rights for an evening, and kept them."""
    with lab.connect() as admin:
        admin.execute("CREATE ROLE helper SUPERUSER")
        yield
        admin.execute("DROP ROLE helper")


@fault(failed=(f"test_expiring_passwords_are_declared[{DATABASE}]",))
@shows("project")
def password_with_expiry_date(lab: Lab) -> Iterator[None]:
    """A project's role was created with a password expiry date that was forgotten."""
    yield from _expiring(lab, days=90)


@fault(
    failed=(
        f"test_expiring_passwords_are_declared[{DATABASE}]",
        f"test_passwords_do_not_expire_soon[{DATABASE}]",
    )
)
@shows("project")
def password_expires_soon(lab: Lab) -> Iterator[None]:
    """The password expires in three days."""
    yield from _expiring(lab, days=3)


def _expiring(lab: Lab, days: int) -> Iterator[None]:
    until = datetime.now(UTC) + timedelta(days=days)
    with lab.connect() as admin:
        admin.execute(sql.SQL("CREATE ROLE project LOGIN VALID UNTIL {}").format(sql.Literal(until.isoformat())))
        yield
        admin.execute("DROP ROLE project")
