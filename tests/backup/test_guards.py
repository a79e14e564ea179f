"""A backup that would fail or be unsafe is refused before any write."""

import hashlib
import json
import re
import time

import pytest

from lab.waiting import wait_until
from opsproof.backup import source
from opsproof.backup_store import dump_folder
from opsproof.inventory.load import load
from opsproof.transport.shell import run


@pytest.fixture
def tools(site, tmp_path):
    """An inventory whose path begins with a folder for fake programs."""
    path = tmp_path / "tools.toml"
    text = site.inventory().read_text()
    path.write_text(text.replace(f'["{site.layout.bin}"]', f'["{tmp_path}/bin", "{site.layout.bin}"]'))
    return path


@pytest.mark.parametrize("version", ["17.9", "9.6.24", "14beta2"])
def test_client_older_than_server_is_refused(site, tools, script, tmp_path, version):
    real, called = site.layout.bin / "pg_dump", tmp_path / "called"
    say = f'[ "$1" = --version ] && exec echo "pg_dump (PostgreSQL) {version}"'
    script(tmp_path / "bin" / "pg_dump", f'{say}\necho "$@" >> {called}\nexec {real} "$@"')
    done = site.run("--apply", inventory=tools)
    assert done.returncode == 3
    assert f"pg_dump (PostgreSQL) {version} is older than the server (18) and cannot dump it" in done.stderr
    assert "nothing was changed" in done.stderr
    assert list(site.folder.iterdir()) == []
    assert [line for line in called.read_text().splitlines() if "/nonexistent" not in line] == []


def test_failed_dump_ends_the_counting_of_rows_at_once(site, tools, script, tmp_path):
    failed = """case "$*" in *--snapshot=*) sleep 1; echo "pg_dump: error: broken early" >&2; exit 1; esac"""
    script(tmp_path / "bin" / "pg_dump", f'{failed}\nexec {site.layout.bin}/pg_dump "$@"')
    slow = f'exec {site.layout.bin}/psql "$@" < <(sed -u "s/^.set of .*/&\\nSELECT pg_sleep(60);/")'
    script(tmp_path / "bin" / "psql", f"exec bash -c '{slow}' psql \"$@\"")
    began = time.monotonic()
    done = site.run("--apply", inventory=tools)
    assert (done.returncode, "pg_dump: error: broken early" in done.stderr) == (4, True), done.stderr
    assert time.monotonic() - began < 45
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
@pytest.mark.parametrize("more", [(), ("--apply",)], ids=["plan", "run"])
def test_folder_writable_by_others_is_refused(site, mode, more):
    site.folder.chmod(mode)
    done = site.run(*more)
    assert done.returncode == 3
    assert f"other users can change the backup folder: {site.folder} has owner " in done.stderr
    assert f"mode {mode:04o}: chmod 0700" in done.stderr
    assert list(site.folder.iterdir()) == []


def test_backups_sharing_a_disk_need_space_for_all(site, tools, script, tmp_path):
    text = tools.read_text()
    _, _, backup = text.partition("[hosts.vps.backups.metachat]")
    tools.write_text(f"{text}[hosts.vps.backups.second]{backup}")
    script(tmp_path / "bin" / "df", "echo Avail; echo 180000000")
    done = site.run("--apply", inventory=tools)
    assert (done.returncode, site.sets) == (3, [])
    assert re.search(rf"{site.folder} has 180 MB free \(21\d(\.\d)? MB needed\)", done.stderr)
    assert site.run("--apply", "--backup=second", inventory=tools).returncode == 0


def manifest_of(site, name, change):
    path = site.folder / f"{name}.manifest.json"
    body = change(path.read_text().rpartition(',\n"checksum"')[0])
    path.write_text(f'{body},\n"checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n')


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r'("server": .*"bytes" *: *)\d+', "1e999"),
        (r'("server": .*"bytes" *: *)\d+', "[" * 5000 + "]" * 5000),
        (r'("server": ).*', "[],"),
        (r'("dump": )\{[^}]*\}', "{}"),
    ],
    ids=["infinite", "nested", "no server", "no dump"],
)
def test_damaged_manifest_stops_no_later_backup(site, made, pattern, value):
    name = site.take(made)
    manifest_of(site, name, lambda text: re.sub(pattern, rf"\g<1>{value}", text))
    planned = site.run()
    assert (planned.returncode, planned.stderr) == (0, "")
    done = site.run("--apply")
    assert (done.returncode, done.stderr, len(site.sets)) == (0, "", 2)


def test_expected_size_grows_with_the_database(site, made, tools, script, tmp_path):
    name = site.take(made)
    size = json.loads((site.folder / f"{name}.manifest.json").read_text())["server"]["bytes"]
    manifest_of(site, name, lambda text: re.sub(rf'("bytes" *: *){size}', rf"\g<1>{size // 10}", text))
    assert re.search(r"about 27\d(\.\d)? MB ", site.run().stdout)
    script(tmp_path / "bin" / "df", "echo Avail; echo 200000000")
    assert site.run("--apply", inventory=tools).returncode == 3
    assert site.sets == [name]


def test_planted_symlink_is_not_followed(site, tmp_path):
    """An attacker guessed the name of the next backup and planted symlinks."""
    host = load(site.inventory()).hosts["vps"]
    backup, victim = host.backups["metachat"], tmp_path / "victim"
    victim.write_text("mine")
    (said,) = [source.parse(run(host, source.commands(host, backup)))]
    for suffix in ("globals.sql", "dump.zst", "manifest.json"):
        name = dump_folder.set_name_at("metachat", 1795572900)
        link = site.folder / f"{name}.{suffix}.partial"
        link.symlink_to(victim)
        (answer,) = run(host, (source.dump_command(host, backup, name, said),))
        assert (answer.status, "File exists" in answer.stderr, victim.read_text()) == (1, True, "mine")
        assert list(site.folder.iterdir()) == [link]
        link.unlink()


def moved(site, name, seconds):
    """Moves the date of a set by `seconds`; returns the new name."""
    other = dump_folder.set_name_at("metachat", dump_folder.began(name) + seconds)
    for path in site.files(name):
        path.write_bytes(
            path.read_bytes().replace(name.encode(), other.encode()) if path.suffix == ".json" else path.read_bytes()
        )
        path.rename(site.folder / path.name.replace(name, other))
    manifest_of(site, other, str)
    return other


def test_backup_dated_in_the_future_is_kept_and_not_the_newest(small_site, small_made):
    """The clock was a year ahead during the backup."""
    ahead = moved(small_site, small_site.take(small_made), 365 * 86400)
    assert small_site.run("--apply", inventory=small_site.inventory(keep_least=1)).returncode == 0
    (new,) = {*small_site.sets} - {ahead}
    assert new < ahead
    assert f"1. read {new} back" in small_site.run(action="verify_backup").stdout
    wait_until(lambda: time.time() - dump_folder.began(new) > 2, "the retention of one second is over")
    assert small_site.run("--apply", inventory=small_site.inventory(keep="1s", keep_least=1)).returncode == 0
    assert ahead in small_site.sets
    assert (len(small_site.sets), small_site.leftovers, small_site.flaws()) == (2, [], [])
