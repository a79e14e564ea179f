"""The files of docs/privileges/, made for example inventories; `python -m tests.harness.samples` writes them."""

from pathlib import Path

from opsproof.inventory.hosts import Host
from opsproof.inventory.load import load
from opsproof.privileges import bundle
from opsproof.privileges.files import PrivilegeFile
from opsproof.privileges.sudoers import SudoUser

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "docs" / "privileges"
IMAGES = {"meta-chat-postgres": "pgvector/pgvector:pg17"}


def files(host: Host) -> dict[str, PrivilegeFile]:
    """The files for a host of an example, by name."""
    return {each.name: each for each in bundle.of_host(host, SudoUser(bundle.login_of(host)), IMAGES)}


def samples(example: Host) -> dict[str, str]:
    """The samples by name: for production; drills and pgBackRest for `example`, the first of the documentation."""
    lab = files(load(REPOSITORY / "inventory" / "lab-docker.toml").hosts["vps"])
    production = files(load(REPOSITORY / "inventory" / "metachat.toml").hosts["vps-00"])
    stanza = {name: each for name, each in files(example).items() if "pgbackrest" in name or "cluster" in name}
    chosen = {**stanza, **{name: lab[name] for name in ("opsproof-drill.sudoers", "maintain.sql")}, **production}
    return {name: each.content for name, each in chosen.items() if name != bundle.SCRIPT}


def documented() -> str:
    """The first inventory of the documentation."""
    text = (REPOSITORY / "docs" / "inventory.md").read_text(encoding="utf-8")
    return text.partition("```toml\n# complete\n")[2].partition("```")[0]


def main() -> None:
    """Writes the samples."""
    path = REPOSITORY / "inventory" / ".documented.toml"
    path.write_text(documented(), encoding="utf-8")
    try:
        found = samples(load(path).hosts["vps-01"])
    finally:
        path.unlink()
    for name, content in found.items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
