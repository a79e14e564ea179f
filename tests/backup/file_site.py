"""A host with files of an application, and backups of them made by the actions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-of-the-application"


@dataclass
class FileSite:
    """Files under `app`, backed up to the folder `backups`."""

    root: Path
    transport: str = "local://"
    more: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700)
        self.storage.mkdir(parents=True)
        self.env.touch(mode=0o600)
        self.env.write_text(f"TOKEN={SECRET}\n")
        (self.storage / "logo.svg").write_text("<svg/>")

    @property
    def folder(self) -> Path:
        return self.root / "backups"

    @property
    def app(self) -> Path:
        return self.root / "app"

    @property
    def storage(self) -> Path:
        return self.app / "storage"

    @property
    def env(self) -> Path:
        return self.app / ".env"

    def words(self, action: str, *more: str, **keys: object) -> list[str]:
        paths = {"engine": "files", "folder": str(self.folder), "paths": [str(self.storage), str(self.env)]}
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in {**paths, **self.more, **keys}.items()]
        text = "".join(line if " = {" not in line else _table(line) for line in lines)
        path = self.root / "inventory.toml"
        path.write_text(f'[hosts.vps]\ntransport = "{self.transport}"\n[hosts.vps.backups.files]\n{text}')
        where = [f"--inventory={path}", f"--reports={self.root / 'reports'}"]
        return [sys.executable, str(ROOT / "actions" / f"{action}.py"), *where, *more]

    def run(self, action: str, *more: str, **keys: object) -> subprocess.CompletedProcess[str]:
        """Runs an action to the end."""
        words = self.words(action, *more, **keys)
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)

    def back_up(self, **keys: object) -> str:
        """Makes a backup; returns its name."""
        done = self.run("backup", "--apply", **keys)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return self.sets[-1]

    @property
    def sets(self) -> list[str]:
        return sorted(each.name.removesuffix(".manifest.json") for each in self.folder.glob("*.manifest.json"))

    def manifest(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / f"{name}.manifest.json").read_text())
        return found

    def flaws(self) -> list[str]:
        """Files of sets that differ from their manifest, or are missing."""
        return [
            file["name"]
            for name in self.sets
            for file in self.manifest(name)["files"].values()  # type: ignore[attr-defined]
            if not (self.folder / file["name"]).exists()
            or sha256((self.folder / file["name"]).read_bytes()).hexdigest() != file["sha256"]
        ]


def _table(line: str) -> str:
    name, _, value = line.partition(" = ")
    pairs = [f"{json.dumps(key)} = {json.dumps(text)}" for key, text in json.loads(value).items()]
    return f"{name} = {{ {', '.join(pairs)} }}\n"


def odd_files(storage: Path) -> None:
    """Names, kinds and modes that programs for backups get wrong."""
    (storage / "new\nline").write_text("1")
    (storage / " back\\slash ").write_text("2")
    Path(os.fsdecode(os.fsencode(storage) + b"/\xff\xfe")).write_text("3")
    os.link(storage / "logo.svg", storage / "other name.svg")
    (storage / "link").symlink_to("/etc/passwd")
    (storage / "broken").symlink_to("nowhere")
    os.mkfifo(storage / "pipe")
    (storage / "empty").mkdir(mode=0o500)
    (storage / "read only").mkdir()
    (storage / "read only" / "file").write_text("4")
    (storage / "read only").chmod(0o555)
    with (storage / "sparse").open("wb") as file:
        file.truncate(50_000_000)
        file.seek(20_000_000)
        file.write(b"in a hole")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(storage / "app.sock"))


def described(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """Kind, mode, owner, content and names of everything in a folder, but for sockets."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        target = str(path.readlink()) if path.is_symlink() else ""
        if not path.is_socket():
            modified = status.st_mtime_ns if content else 0
            key = os.fsencode(path.relative_to(folder))
            found[key] = (
                oct(status.st_mode),
                status.st_uid,
                status.st_gid,
                sha256(content).hexdigest(),
                target,
                modified,
            )
    return found
