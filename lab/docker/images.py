"""The four images, built from Debian's packages when their sources change."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import debian, kept
from lab.docker import engine
from lab.layout import REPOSITORY, SOURCE
from lab.progress import Say, step

HERE = Path(__file__).parent
BASE = HERE / "base_image.sh"
SUITES = ("bookworm", "trixie")
# Different from the label of the lab's containers: containers inherit the labels of their image.
CONTEXT_LABEL = "opsproof.lab.context"
IMAGE_LABEL = "opsproof.lab.image"
STAGE_LABEL = "opsproof.lab.stage"
CA_VARIABLES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT")
PRIVILEGES = (
    "opsproof.sshd.conf",
    "opsproof.sudoers",
    "opsproof-backup.sudoers",
    "opsproof-restore.sudoers",
    "opsproof-maintain.sudoers",
    "opsproof-drill.sudoers",
)
SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")

Files = dict[str, bytes]


@dataclass(frozen=True)
class Image:
    """An image: folder in `images/`, tag, and further sources in the repository."""

    name: str
    tag: str
    sources: tuple[tuple[str, Path], ...] = ()
    dated: bool = False
    downloads: bool = False

    def files(self) -> Files:
        """The build context without the machine's settings."""
        folder = HERE / "images" / self.name
        return dict(_read((f"images/{self.name}", folder), *self.sources))


POSTGRES = Image(
    "postgres",
    "opsproof-lab/postgres:17",
    (
        *((name, SOURCE / name) for name in ("schema.sql", "seed.sql")),
        *((name, REPOSITORY / "docs" / "privileges" / name) for name in ("recall.sql", "maintain.sql")),
    ),
    dated=True,
)
REDIS = Image("redis", "opsproof-lab/redis:8")
RABBITMQ = Image("rabbitmq", "opsproof-lab/rabbitmq:4")
VPS = Image(
    "vps",
    "opsproof-lab/vps:12",
    (
        ("app", SOURCE / "app"),
        ("stubs/timedatectl", SOURCE / "stubs" / "timedatectl"),
        ("requirements/node.txt", REPOSITORY / "requirements" / "node.txt"),
        *((f"privileges/{name}", REPOSITORY / "docs" / "privileges" / name) for name in PRIVILEGES),
    ),
    dated=True,
    downloads=True,
)
IMAGES = (VPS, POSTGRES, RABBITMQ, REDIS)


def build(logs: Path, say: Say) -> None:
    """Builds missing and outdated images concurrently."""
    stale = [image for image in IMAGES if not _is_present(image)]
    if not stale:
        return
    _build_bases(logs, say)
    with step(say, f"images built: {', '.join(image.name for image in stale)}"):
        engine.run_all(_job(image, logs) for image in stale)


def remove() -> None:
    """Deletes the images, and leftovers of earlier builds and stages."""
    for image in IMAGES:
        if engine.exists("image", image.tag):
            engine.run("image", "rm", "--force", image.tag)
    for label in (IMAGE_LABEL, STAGE_LABEL):
        _prune(label)


def prune() -> None:
    """Deletes images older than a fortnight. Keeps younger images of other checkouts, and stages for later builds."""
    _prune(IMAGE_LABEL, f"until={debian.FORTNIGHT * 24}h")


def fingerprint(image: Image) -> str:
    """A hash of an image's sources; changes every fortnight for images with seeded data or certificates."""
    digest = hashlib.sha256((debian.today() if image.dated else "").encode())
    for name, content in sorted(image.files().items()):
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def archive(files: Files) -> bytes:
    """A build context as tar; files that begin with #! are executable."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if content.startswith(b"#!") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _prune(label: str, *filters: str) -> None:
    words = [f"--filter={each}" for each in (f"label={label}", *filters)]
    engine.run("image", "prune", "--force", *words, timeout_s=120)


def _is_present(image: Image) -> bool:
    """Whether the image of these sources exists; restores its tag if a build of other sources took the tag."""
    wanted = fingerprint(image)
    if _built_of(image.tag) == wanted:
        return True
    found = engine.run("image", "ls", "--quiet", "--no-trunc", f"--filter=label={CONTEXT_LABEL}={wanted}").split()
    if found:
        engine.run("tag", found[0], image.tag)
    return bool(found)


def _build_bases(logs: Path, say: Say) -> None:
    missing = [suite for suite in SUITES if not engine.exists("image", f"debian:{suite}-slim")]
    if missing:
        with step(say, f"base images made: {', '.join(missing)}"):
            folders = {suite: logs / f"base-{suite}" for suite in missing}
            known = {suite for suite, folder in folders.items() if kept.take(debian.entry(suite), folder)}
            engine.run_all(_base(suite, folder) for suite, folder in folders.items())
            for suite, folder in folders.items():
                if suite not in known and (folder / debian.ARCHIVE).exists():
                    kept.keep(debian.entry(suite), folder)
                shutil.rmtree(folder)


def _base(suite: str, folder: Path) -> engine.Job:
    folder.mkdir(exist_ok=True)
    return engine.Job(f"base image {suite}", (str(BASE), suite, str(folder)), folder.with_suffix(".log"))


def _job(image: Image, logs: Path) -> engine.Job:
    files = image.files() | (_machine() if image.downloads else {})
    labels = ("--label", f"{IMAGE_LABEL}=yes", "--label", f"{CONTEXT_LABEL}={fingerprint(image)}")
    seeded = ("--build-arg", f"SEEDED={debian.today()}") if image.dated else ()
    dockerfile = f"images/{image.name}/Dockerfile"
    command = ("docker", "build", "--network", "host", *_proxies(), *labels, *seeded, "--tag", image.tag)
    return engine.Job(
        f"image {image.name}", (*command, "--file", dockerfile, "-"), logs / f"{image.name}.log", archive(files)
    )


def _built_of(tag: str) -> str | None:
    found = engine.image(tag)
    label: str | None = found["Config"]["Labels"].get(CONTEXT_LABEL) if found else None
    return label


def _read(*sources: tuple[str, Path]) -> Iterator[tuple[str, bytes]]:
    for name, path in sources:
        found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        for file in found:
            yield str(Path(name) / file.relative_to(path)) if path.is_dir() else name, file.read_bytes()


def _machine() -> Files:
    """The machine's settings for PyPI and npm, used only in a build stage that is not part of the image."""
    paths = [Path(os.environ[name]) for name in CA_VARIABLES if name in os.environ] + [SYSTEM_CA]
    authorities = next((path.read_bytes() for path in paths if path.is_file()), b"")
    index = _setting("pip3", "config", "get", "global.index-url")
    registry = _setting("npm", "config", "get", "registry")
    return {
        "machine/ca.crt": authorities,
        "machine/pip.conf": f"[global]\nindex-url = {index}\n".encode() if index else b"",
        "machine/npmrc": f"registry={registry}\n".encode() if registry else b"",
    }


def _setting(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _proxies() -> list[str]:
    """Proxy arguments: predefined by Docker, and not stored in the image."""
    names = [name for name in ("http_proxy", "https_proxy", "no_proxy") if os.environ.get(name)]
    return [word for name in names for word in ("--build-arg", name)]
