"""The server loses nothing that it has confirmed, runs as it is configured, and lets in whom it should."""

import pytest

pytestmark = pytest.mark.monthly
VERSION = pytest.mark.remedy("psql", "-c", "SELECT version()")


@pytest.mark.remedy("pg_checksums", "--enable", "--progress")
def test_data_checksums_are_enabled(database_servers, database, evidence, repair_with):
    """Without them a damaged page is served as it is, and backed up: switch them on while the server is stopped."""
    server = database_servers[database]
    off = server.off("data_checksums")
    evidence("switched off", [f"again: SHOW {each}" for each in off])
    repair_with("--pgdata", [server.folder])
    assert not off, f"pages of {database} have no checksums"


@pytest.mark.remedy("verify_backup.py")
def test_no_checksum_failure_is_counted(database_servers, database, allowed, evidence):
    """A disk, or its controller, changes what was written: make sure of a backup first, then of the disk."""
    server = database_servers[database]
    again = "again: SELECT datname, checksum_failures, checksum_last_failure FROM pg_stat_database"
    evidence("damaged pages read", [*(f"{count} in {name}" for name, count in server.damaged.items()), again])
    assert server.checksum_failures in allowed.checksum_failures


@pytest.mark.remedy("psql")
def test_writes_are_durable(database_servers, database, evidence, repair_with, repair_with_sql):
    """After a power failure the database is lost: set it on and reload."""
    off = database_servers[database].off("fsync", "full_page_writes")
    evidence("switched off", [f"again: SHOW {each}" for each in off])
    repair_with_sql("ALTER SYSTEM SET {name} = on", off)
    repair_with("-c", ["SELECT pg_reload_conf()"])
    assert not off, f"{' and '.join(off)} of {database} is off"


@pytest.mark.remedy("psql", "-c", "SELECT name, setting, sourcefile, sourceline FROM pg_settings WHERE pending_restart")
def test_no_setting_is_pending_restart(database_servers, database, evidence):
    """The next restart changes it, at a moment when nobody thinks of it: restart now, or take it back."""
    pending = database_servers[database].pending
    evidence("settings", [*pending, "again: SELECT name FROM pg_settings WHERE pending_restart"] if pending else [])
    assert not pending, f"{', '.join(pending)} of {database} will change with the next restart"


@VERSION
def test_security_fixes_are_installed(database_servers, database, allowed, evidence):
    """Minor releases change no behaviour and need no dump: install the packages and restart the server."""
    server = database_servers[database]
    assert server.known.age_s(server.now) in allowed.releases_age
    evidence("released since", [*(each.of(server.major) for each in server.missed), "again: SHOW server_version"])
    assert len(server.missed) in allowed.security_fixes_missing


@VERSION
def test_version_is_supported(database_servers, database, allowed, evidence):
    """After its end no vulnerability is mended any more: plan the upgrade to another major version."""
    server = database_servers[database]
    evidence("version", [f"{server.major}.{server.minor}", "again: SHOW server_version"])
    assert server.known.supported_s(server.major, server.now) in allowed.support_left


@pytest.mark.remedy("psql")
def test_extensions_are_up_to_date(database_extensions, database, evidence, repair_with_sql):
    """New files with old definitions are a mixture that nobody tests: ALTER EXTENSION ... UPDATE."""
    behind = [each for each in database_extensions[database] if each.installed != each.available]
    told = [str(each) for each in behind]
    evidence(
        "behind their files",
        [*told, "again: SELECT name, installed_version, default_version FROM pg_available_extensions"],
    )
    repair_with_sql("ALTER EXTENSION {name} UPDATE", [each.name for each in behind])
    assert not behind, f"{len(behind)} extensions of {database} are not those that are installed: {'; '.join(told[:3])}"
