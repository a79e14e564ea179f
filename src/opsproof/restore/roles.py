"""Restores the roles of a backup into an empty server that is thrown away afterwards."""

import re

from opsproof.action import Work
from opsproof.core import scripts
from opsproof.core.errors import StepFailed
from opsproof.restore.archive import DumpArchive, require_checksum
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import argv

TIMEOUT_S = 120
_ERROR = re.compile(r"^psql:.*?: (?:ERROR|FATAL): +(.*)$", re.MULTILINE)


def restore(work: Work, client: RestoreClient, archive: DumpArchive) -> None:
    """Restores roles without passwords, memberships and role settings; the bootstrap superuser already exists.

    Raises:
        StepFailed: checksum mismatch, or a statement failed.
    """
    assert archive.manifest is not None
    roles, path = archive.manifest.globals, archive.roles
    require_checksum(work, path, roles.sha256, TIMEOUT_S)
    psql = client.program("psql", "-Xq", "-d", client.conninfo("postgres"), "-f", "-").argv
    filtered = ("perl", "-e", scripts.perl("restore/roles"), "--", *psql)
    feed = ("perl", "-e", scripts.perl("restore/feed"), "--", path, "", "", "")
    errors = work.do(argv(*feed, *filtered, timeout_s=TIMEOUT_S), "psql").stderr
    wrong = [each for each in _ERROR.findall(errors) if each != f'role "{client.user}" already exists']
    if wrong:
        raise StepFailed(f"{roles.name} cannot be restored: {wrong[0]}")
