"""Backups of a real database by the command line, locally and over real ssh."""

import hashlib
import json
import os
import subprocess
import time

import pytest

from lab import processes
from lab.waiting import wait_until
from opsproof.backup import source
from opsproof.backup_store import dump_folder, manifest


def read(site, name):
    return manifest.read((site.folder / f"{name}.manifest.json").read_text())


def test_plan_states_database_folder_size_and_free_space_and_changes_nothing(site):
    done = site.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "make metachat_20" in done.stdout
    assert "of metachat (8" in done.stdout
    assert f"with pg_dump (PostgreSQL) 18.6 in {site.folder}: about 8" in done.stdout
    assert "GB free" in done.stdout
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_backup_is_complete_private_and_described_by_its_manifest(site, sshd, transport):
    inventory = site.inventory(sshd if transport == "ssh" else "local://")
    done = site.run("--apply", inventory=inventory)
    assert (done.returncode, done.stderr) == (0, "")
    (name,) = site.sets
    assert site.flaws() == site.leftovers == []
    assert {path.stat().st_mode & 0o777 for path in site.files(name)} == {0o600}
    said = read(site, name)
    assert said.name == name
    assert said.tables["public", "chunks"] == 20000
    assert sum(rows for (_, table), rows in said.tables.items() if table.startswith("messages_")) == 50000
    assert said.server["database"] == said.server["owner"] == "metachat"
    assert abs(said.began - time.time()) < 60
    assert "CREATE ROLE metachat_app" in (site.folder / said.globals.name).read_text()


def test_restored_database_matches_manifest(small_made):
    site = small_made
    said = read(site, *site.sets)
    password = site.secrets.passwords["metachat"]
    where = f"host=127.0.0.1 port={site.server.port} user=metachat passfile={site.layout.secrets}/pgpass-metachat"
    with site.server.connect("metachat", password, "postgres") as admin:
        admin.execute("DROP DATABASE IF EXISTS restored")
        admin.execute("CREATE DATABASE restored")
    try:
        script = 'zstd -dc "$1" | "$2" --exit-on-error -d "$3"'
        words = ["sh", "-c", script, "sh", site.folder / said.dump.name, site.layout.bin / "pg_restore"]
        subprocess.run([*words, f"{where} dbname=restored"], check=True)
        contents = source.contents()
        with site.server.connect("metachat", password, "restored") as restored:
            restored.execute("SET search_path = pg_catalog")
            ((found,),) = restored.execute(contents).fetchall()
            rows = {
                each: restored.execute(f'SELECT count(*) FROM "{each[0]}"."{each[1]}"').fetchone()[0]
                for each in said.tables
            }
        assert found["objects"] == said.server["objects"]
        assert found["grants"] == said.server["grants"]
        assert rows == said.tables
    finally:
        with site.server.connect("metachat", password, "postgres") as admin:
            admin.execute("DROP DATABASE restored")


def test_digests_change_with_each_object_owner_and_privilege(site):
    contents = source.contents()

    def of(change="SELECT"):
        with site.server.connect("metachat", site.secrets.passwords["metachat"]) as admin:
            with admin.transaction(force_rollback=True):
                admin.execute(change)
                admin.execute("SET LOCAL search_path = pg_catalog")
                ((found,),) = admin.execute(contents).fetchall()
            return found["objects"], found["grants"]

    before = of()
    assert of() == before
    schema = (
        "DROP POLICY tenant_isolation ON events",
        'DROP INDEX "events_tenantId_createdAt_idx"',
        'ALTER TABLE channels DROP CONSTRAINT "channels_tenantId_fkey"',
        "CREATE VIEW seen AS SELECT 1 AS one",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SEQUENCE numbers",
        "DROP EXTENSION pgstattuple",
        "DROP TABLE webhooks",
    )
    for change in schema:
        assert of(change)[0] != before[0], change
    for change in ("GRANT SELECT ON webhooks TO PUBLIC", "ALTER TABLE webhooks OWNER TO opsproof_backup"):
        changed = of(change)
        assert (changed[0] == before[0], changed[1] == before[1]) == (True, False), change
    assert of("GRANT UPDATE ON webhooks TO PUBLIC; REVOKE UPDATE ON webhooks FROM PUBLIC") == before
    assert of("INSERT INTO webhooks SELECT 'x', id, '', true, now() FROM tenants LIMIT 1") == before


@pytest.mark.parametrize("more", [(), ("--apply",)], ids=["plan", "run"])
def test_role_subject_to_row_level_security_is_refused_before_any_write(site, more):
    monitor = {"user": "opsproof_monitor", "passfile": str(site.layout.pgpass)}
    done = site.run(*more, inventory=site.inventory(**monitor))
    assert done.returncode == 3
    assert "opsproof_monitor does not bypass row-level security, so pg_dump would fail half-way" in done.stderr
    assert "ALTER ROLE opsproof_monitor BYPASSRLS" in done.stderr
    assert list(site.folder.iterdir()) == []


def test_role_without_select_on_a_table_is_refused(site):
    with site.server.connect("metachat", site.secrets.passwords["metachat"]) as admin:
        admin.execute("REVOKE pg_read_all_data FROM opsproof_backup")
        try:
            done = site.run("--apply")
        finally:
            admin.execute("GRANT pg_read_all_data TO opsproof_backup")
    assert done.returncode == 3
    assert "opsproof_backup may not read public.admin_keys, " in done.stderr
    assert list(site.folder.iterdir()) == []


def test_wrong_password_is_reported_as_unknown_not_refused(site, tmp_path):
    passfile = tmp_path / "wrong"
    passfile.write_text("*:*:*:*:wrong\n")
    passfile.chmod(0o600)
    done = site.run("--apply", inventory=site.inventory(passfile=str(passfile)))
    assert done.returncode == 6
    assert "password authentication failed" in done.stderr
    assert list(site.folder.iterdir()) == []


def test_missing_backup_folder_is_not_created(site):
    site.folder.rmdir()
    done = site.run("--apply")
    assert done.returncode == 6
    assert "does not exist: create it with mode 0700" in done.stderr
    site.folder.mkdir()


def test_no_secret_appears_in_process_list_output_or_journal(site):
    seen = set()

    def has_ended():
        seen.update(processes.command(pid) for pid in processes.pids())
        return process.poll() is not None

    process = site.begin()
    wait_until(has_ended, "a backup ends", 60, process=process, every_s=0)
    output = "".join(process.communicate())
    journal = (site.folder.parent / "backups-reports" / "journal.jsonl").read_text()
    for secret in site.secrets.all:
        assert secret not in output + journal
        assert not any(secret in line for line in seen)
    assert json.loads(journal)["measured"]["set"] == site.sets[0]


def aged(site, *days):
    """Copies of the newest backup, dated the given numbers of days ago."""
    source_set, now = site.sets[-1], time.time()
    made = []
    for age in days:
        name = dump_folder.set_name_at("metachat", now - age * 86400)
        for path in site.files(source_set):
            content = path.read_bytes()
            renamed = content.replace(source_set.encode(), name.encode()) if path.suffix == ".json" else content
            (site.folder / path.name.replace(source_set, name)).write_bytes(renamed)
        path = site.folder / f"{name}.manifest.json"
        body = path.read_text().rpartition(',\n"checksum"')[0]
        path.write_text(f'{body},\n"checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n')
        made.append(name)
    return made


def test_expired_backups_are_planned_and_pruned_after_the_new_backup(small_site, small_made):
    small_site.take(small_made)
    old, older, young = aged(small_site, 31, 45, 29)
    planned = small_site.run()
    assert f"prune expired backups: {older}, {old}\n" in planned.stdout
    done = small_site.run("--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert young in small_site.sets
    assert not {old, older} & set(small_site.sets)
    assert small_site.leftovers == small_site.flaws() == []


def test_nothing_is_pruned_if_a_kept_backup_is_damaged(small_site, small_made):
    small_site.take(small_made)
    old, young = aged(small_site, 31, 2)
    path = next(path for path in small_site.files(young) if ".dump" in path.name)
    path.write_bytes(path.read_bytes()[:-1])
    done = small_site.run("--apply")
    assert done.returncode == 4
    assert f"{young}: {path.name}: checksum mismatch" in done.stderr
    assert old in small_site.sets


def test_only_leftovers_of_interrupted_backups_are_removed(small_site):
    names = ["metachat_20260101T000000Z.dump.zst", "metachat_20260101T000000Z.manifest.json.partial"]
    foreign = ["other_20260101T000000Z.dump.partial", "notes.txt", "metachat-2_20260101T000000Z.dump"]
    foreign.append("metachat_20260102T000000Z.dump")  # without the mark of a begun backup
    for name in (*names, *foreign):
        (small_site.folder / name).touch()
    planned = small_site.run()
    assert f"remove leftovers of interrupted backups: {', '.join(names)}\n" in planned.stdout
    assert small_site.run("--apply").returncode == 0
    assert small_site.leftovers == sorted(foreign)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("case", ["known before", "during the dump"])
def test_full_disk_damages_no_older_backup_and_leaves_no_partial_backup(site, made, case):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=62m,mode=0700", "none", site.folder], check=True)
    try:
        name = site.take(made)
        ballast = site.folder / "ballast"
        process = site.begin() if case == "during the dump" else None
        if process:
            partial = site.folder.glob
            wait_until(lambda: list(partial("*.dump.zst.partial")), "a dump begins", process=process, every_s=0.005)
        ballast.write_bytes(b"x" * 20_000_000)
        done = site.run("--apply") if process is None else process
        said = done.stderr if process is None else process.communicate(timeout=60)[1]
        assert (done.returncode, site.sets, site.flaws()) == (3 if process is None else 4, [name], [])
        assert (" needed)" if process is None else "No space left on device") in said
        ballast.unlink()
        assert site.run("--apply").returncode == 0
        assert (len(site.sets), site.flaws(), site.leftovers) == (2, [], [])
    finally:
        subprocess.run(["umount", site.folder], check=True)


def test_verification_reads_backup_back_and_reports_damage(site, made):
    name = site.take(made)
    planned = site.run(action="verify_backup")
    assert f"1. read {name} back: 27.6 MB, owner, mode, age, contents" in planned.stdout
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in site.folder.iterdir()}
    assert site.run("--apply", action="verify_backup").returncode == 0
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in site.folder.iterdir()}
    path = next(path for path in site.files(name) if ".dump" in path.name)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:1000])
    done = site.run("--apply", action="verify_backup")
    assert done.returncode == 5
    assert f"{path.name} has owner " in done.stderr
    assert f"{path.name}: checksum mismatch" in done.stderr
    assert "pg_restore --list was not run: " in done.stderr
    assert site.run("--set=metachat_x", "--apply", action="verify_backup").returncode == 2
    assert site.run("--backup=other", "--apply", action="verify_backup").returncode == 2
