"""The load of an archive by a role without rights, `load_user`.

A superuser makes schemas and extensions first, and gives owners and privileges afterwards. No session of the superuser
runs a statement of the archive, but for privileges in a checked form.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opsproof.action import Work
from opsproof.core import scripts
from opsproof.core.errors import OpsproofError, StepFailed
from opsproof.postgres.psql import with_settings
from opsproof.restore.archive import DumpArchive
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import argv


@contextmanager
def loading(work: Work, client: RestoreClient, archive: DumpArchive, database: str) -> Iterator[None]:
    """Gives `load_user` rights in the new database for the body, then gives the loaded objects to their owners.

    Raises:
        StepFailed: a statement failed; the rights of `load_user` have ended.
    """
    loader = client.backup.load_user
    digest = _by_superuser(work, client, archive, database, "prepare")
    release = client.sql(scripts.sql("restore/release"), fresh=database, loader=loader, digest=digest)
    try:
        yield
    except OpsproofError as error:
        try:
            work.do(release, "psql (release.sql)")
        except OpsproofError as more:
            raise StepFailed(f"{error}; {more}") from error
        raise
    work.do(release, "psql (release.sql)")
    _by_superuser(work, client, archive, database, "give")


def _by_superuser(work: Work, client: RestoreClient, archive: DumpArchive, database: str, script: str) -> str:
    """Runs restore/sql/SCRIPT.sql with entries of the archive; returns the output."""
    program = scripts.perl("restore/toc", "restore/by_superuser")
    text = with_settings(scripts.sql(f"restore/{script}"))
    psql = client.psql(database, loader=client.backup.load_user)
    words = ("perl", "-e", program, "--", archive.path, archive.unpack, text, *psql)
    return work.do(argv(*words, timeout_s=client.backup.timeout), f"psql ({script}.sql)").stdout.strip()
