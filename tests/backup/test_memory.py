"""Copies stream through this machine: memory use does not grow with their size."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTES = {"db_20261125T020000Z": 20, "db_20261126T020000Z": 80}
MOST_MB, GROWTH_MB = 100, 4
"""Limits: peak memory of copying and fetching, and growth from the small to the large copy."""
PROGRAM = """
import io, re, runpy, sys
from opsproof.backup_store import off_site
from opsproof.backup_store.encryption import decrypted, identities
from opsproof.backup_store.folder import HostFolder
from opsproof.backup_store.manifest import ManifestFile, Manifest
from opsproof.action.progress import reporting_bytes
from opsproof.backup.copying import CopyJob
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.inventory.hosts import Host
from opsproof.inventory.backups import Backup
from pathlib import Path

for action in ("backup", "restore"):  # include the memory of all imports
    sys.path.insert(0, "actions")
    runpy.run_path(f"actions/{action}.py", run_name="loaded")
folder, recipient, identity, target, *sums = sys.argv[1:]
host = Host.model_validate({"transport": "local://"}).placed("vps", ())
backup = Backup.model_validate({"database": "d", "folder": folder, "user": "u", "age_recipient": recipient})

class Made(DumpReading):
    @property
    def set_manifest(self):
        size = Path(folder, f"{self.name}.dump").stat().st_size
        return Manifest(self.name, 0, 0, {"dump": ManifestFile(f"{self.name}.dump", size, sha256)}, {}, {}, {})

there = off_site.copy_store(host, target)
for each in sums:
    sha256, name = each.split("=")
    with reporting_bytes("copied", 1, lambda line: None, quiet=True) as report:
        CopyJob(host, backup, Made(name, "{}"), there, report).make()
    with there.read(f"{name}.dump.age") as sealed, decrypted(sealed, identities(Path(identity))) as plain:
        assert HostFolder(host, folder).put("back", plain) == sha256
    print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("kind", ["bucket", "ssh"])
def test_memory_use_does_not_grow_with_copy_size(kind, s3, sshd, tmp_path):
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    identity = tmp_path / "identity"
    identity.touch(mode=0o600)
    identity.write_text(f"# a key\n{key}\n")
    backups, copies = tmp_path / "backups", tmp_path / "copies"
    for folder in (backups, copies):
        folder.mkdir()
    sums = [f"{written(backups, name, megabytes)}={name}" for name, megabytes in MEGABYTES.items()]
    target = "s3://copies/p" if kind == "bucket" else sshd.replace("?", f"{copies}?", 1)
    words = [sys.executable, "-c", PROGRAM, backups, str(key.to_public()), identity, target, *sums]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    small, large = (int(peak) / 1000 for peak in done.stdout.split())
    assert large < MOST_MB
    assert large - small < GROWTH_MB


def written(folder, name, megabytes):
    """Writes a dump of the given size; returns the checksum."""
    content = os.urandom(2**20) * megabytes
    (folder / f"{name}.dump").write_bytes(content)
    (folder / f"{name}.manifest.json").write_text("{}")
    return hashlib.sha256(content).hexdigest()
