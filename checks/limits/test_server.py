"""Servers keep committed data, run with their configured settings, and have security fixes."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]
RELOADS = "changes a setting of the server"
VERSION = pytest.mark.remedy("psql", "-c", "SELECT version()")


@pytest.mark.remedy("psql", "-c", "SHOW data_checksums", "-c", "SHOW data_directory")
def test_data_checksums_are_enabled(database_servers, database, evidence):
    """Without checksums damaged pages are served and backed up: stop the server, then pg_checksums --enable."""
    server = database_servers[database]
    off = server.off("data_checksums")
    evidence("switched off", [f"query: SHOW {each}" for each in off])
    assert not off, f"pages of {database} have no checksums"


@pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT datname, checksum_failures, checksum_last_failure FROM pg_stat_database WHERE checksum_failures > 0",
)
def test_no_checksum_failure_is_counted(database_servers, database, allowed, evidence):
    """The disk or its controller corrupted data: secure a backup first, then check the disk."""
    server = database_servers[database]
    query = "query: SELECT datname, checksum_failures, checksum_last_failure FROM pg_stat_database"
    evidence("reads of damaged pages", [*(f"{count} in {name}" for name, count in server.damaged.items()), query])
    assert server.checksum_failures in allowed.checksum_failures


@pytest.mark.remedy("psql", effect=RELOADS)
def test_writes_are_durable(database_servers, database, evidence, repair_with, repair_with_sql):
    """A power failure would corrupt the database: set it on and reload."""
    off = database_servers[database].off("fsync", "full_page_writes")
    evidence("switched off", [f"query: SHOW {each}" for each in off])
    repair_with_sql("ALTER SYSTEM SET {name} = on", off)
    repair_with("-c", ["SELECT pg_reload_conf()"])
    assert not off, f"{' and '.join(off)} of {database} is off"


@pytest.mark.remedy("psql", "-c", "SELECT name, setting, sourcefile, sourceline FROM pg_settings WHERE pending_restart")
def test_no_setting_is_pending_restart(database_servers, database, evidence):
    """The next restart changes the setting at an unplanned moment: restart now, or revert."""
    pending = database_servers[database].pending
    evidence("settings", [*pending, "query: SELECT name FROM pg_settings WHERE pending_restart"] if pending else [])
    assert not pending, f"{', '.join(pending)} of {database} will change with the next restart"


@VERSION
def test_security_fixes_are_installed(database_servers, database, allowed, evidence):
    """Minor releases need no dump, and change no behaviour: install the packages and restart the server."""
    server = database_servers[database]
    assert server.known.age_s(server.now) in allowed.releases_age
    evidence("released since", [*(each.of(server.major) for each in server.missed), "query: SHOW server_version"])
    assert len(server.missed) in allowed.security_fixes_missing


@VERSION
def test_version_is_supported(database_servers, database, allowed, evidence):
    """After end of life, vulnerabilities stay open: plan a major upgrade."""
    server = database_servers[database]
    evidence("version", [f"{server.major}.{server.minor}", "query: SHOW server_version"])
    assert server.known.supported_s(server.major, server.now) in allowed.support_left


@pytest.mark.remedy("psql", effect="changes the extension's objects")
def test_extensions_are_up_to_date(database_extensions, database, evidence, repair_with_sql):
    """New library files with old SQL definitions are an untested mix: ALTER EXTENSION ... UPDATE."""
    behind = [each for each in database_extensions[database] if each.installed != each.available]
    lines = [str(each) for each in behind]
    evidence(
        "outdated extensions",
        [*lines, "query: SELECT name, installed_version, default_version FROM pg_available_extensions"],
    )
    repair_with_sql("ALTER EXTENSION {name} UPDATE", [each.name for each in behind])
    assert not behind, f"{len(behind)} extensions of {database} are outdated: {'; '.join(lines[:3])}"
