"""Restores with a server in a container: client programs of the container, no leftover archive."""

import re
from pathlib import Path

import pytest

from opsproof.restore.copy import _STAGED
from tests.restore.conftest import ROOT, Place

DOCKER = """\
[ "$1" = inspect ] && exec sed 's/meta-chat-rabbitmq/meta-chat-postgres/' "{inspected}"
echo "$@" | head -c 300 >> "{log}"
[ "$1 $2 $3" = "exec -i meta-chat-postgres" ] || exit 125
shift 3
[ "$1" = perl ] && {perl}
export PGHOST=127.0.0.1 PGPORT={port} PGPASSFILE={passfile} PATH={bin}:$PATH
exec "$@"
"""


class Contained(Place):
    """The lab, as if the server ran in a container; `load_user` needs perl in the container."""

    @property
    def inventory(self):
        path = super().inventory
        text = re.sub(r'(?m)^dsn = "host.*$', r'\g<0>\ncontainer = "meta-chat-postgres"', path.read_text())
        text = text if self.perl else re.sub(r"(?m)^load_(?:user|passfile) .*\n", "", text)
        path.write_text(f"{text}\n[hosts.lab.containers]\nmeta-chat-postgres = {{}}\n")
        return path

    @property
    def trust(self):
        return [] if self.perl else ["--trust-code"]


@pytest.fixture(params=["perl", "no perl"])
def contained(place, script, tmp_path, request):
    log, tools = tmp_path / "log", tmp_path / "tools"
    passfile = tmp_path / "pgpass"
    passfile.touch(0o600)
    passfile.write_text(
        "".join((place.lab.layout.secrets / f"pgpass-{each}").read_text() for each in ("metachat", "load"))
    )
    perl = "true" if request.param == "perl" else "exit 127"
    inspected = ROOT / "tests" / "recorded" / "docker_inspect_crash_loop.txt"
    where = {"inspected": inspected, "port": place.lab.postgres_port, "passfile": passfile, "bin": place.lab.layout.bin}
    script(tools / "docker", DOCKER.format(log=log, perl=perl, **where))
    made = Contained(place.lab, place.folder, tools)
    made.log, made.perl = log, request.param == "perl"
    return made


def leftovers():
    return [each for each in (Path(_STAGED), Path(_STAGED).with_name(".restore")) if each.exists()]


def test_drill_in_container_passes_and_leaves_no_archive(contained):
    done = contained.run("restore_drill", "--apply", *contained.trust)
    assert (done.returncode, done.stderr) == (0, "")
    asked = contained.log.read_text()
    assert ("pg_restore --exit-on-error" in asked) is not contained.perl
    assert "host=127.0.0.1" not in asked
    assert (leftovers(), contained.databases) == ([], [])


def test_damaged_archive_is_not_restored_in_container(contained, copied):
    content = bytearray(copied.dump.read_bytes())
    content[len(content) // 2] ^= 1
    copied.dump.write_bytes(content)
    done = contained.run("restore_drill", "--apply", *contained.trust, f"--from={copied.folder}")
    assert (done.returncode, "checksum mismatch" in done.stderr) == (5, True)
    assert "pg_restore --exit-on-error" not in contained.log.read_text()
    assert (leftovers(), contained.databases) == ([], [])
