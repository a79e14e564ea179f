"""Commands that list off-site copies from the machine with opsproof."""

import shlex
from urllib.parse import parse_qs, urlsplit

from opsproof.inventory.backups import Backup


def apart(backup: Backup) -> list[str]:
    """The targets of copies apart from the host."""
    return [each for each in backup.off_site if "://" in each]


def listing(target: str) -> list[str]:
    """The words of a command that shows owners and modes of a folder over ssh, or the lock of a bucket."""
    parts = urlsplit(target)
    if parts.scheme == "s3":
        return ["aws", "s3api", "get-object-lock-configuration", "--bucket", parts.netloc]
    options = [word for each in parse_qs(parts.query).get("ssh_config", []) for word in ("-F", each)]
    options += ["-p", str(parts.port)] if parts.port else []
    login = f"{parts.username}@{parts.hostname}" if parts.username else str(parts.hostname)
    return ["ssh", *options, login, f"ls -la {shlex.quote(parts.path)}"]
