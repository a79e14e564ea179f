"""Perl programs as they are sent to hosts."""

import subprocess

import pytest

from opsproof.core import scripts

PROGRAMS = sorted(
    f"{path.parents[1].relative_to(scripts.PACKAGE)}/{path.stem}" for path in scripts.PACKAGE.rglob("host/*.pl")
)


def deparsed(program):
    done = subprocess.run(["perl", "-MO=Deparse,-sC", "-e", program], capture_output=True, text=True, check=True)
    return "".join(done.stdout.split())


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_sent_without_comments_and_otherwise_unchanged(name):
    folder, _, stem = name.rpartition("/")
    text = (scripts.PACKAGE / folder / "host" / f"{stem}.pl").read_text()
    sent = scripts.perl(name)
    assert [line for line in sent.splitlines() if line.startswith("#")] == text.splitlines()[:1]
    assert deparsed(sent) == deparsed(text)
