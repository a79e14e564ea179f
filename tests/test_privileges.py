"""The sudoers files permit what facts and actions run as other users, and nothing near it, as the real sudo judges."""

import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from opsproof.fact import NounFact, ShellFact
from opsproof.facts import REGISTRY
from opsproof.facts.containers import TEMPLATE
from opsproof.restore.copy import HAS_PERL
from opsproof.restore.throwaway import FREE, SUFFIX, starting
from opsproof.shell import Command

TOOLS = ("sudo", "visudo", "useradd", "userdel")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
needs_sudo = pytest.mark.skipif(
    os.geteuid() != 0 or bool(MISSING),
    reason=f"not installed: {', '.join(MISSING)}" if MISSING else "only root can let a user use sudo",
)
CONTAINER = "meta-chat-postgres"
DRILL = f"{CONTAINER}{SUFFIX}"
IMAGE = "pgvector/pgvector:pg17"
INSPECT = ("docker", "inspect", "--type", "container", "--format")
ENVIRONMENT = "{{json .Config.Env}}"


@pytest.fixture(scope="module")
def sudoers(repository):
    return (repository / "docs" / "privileges" / "opsproof.sudoers").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def every_rule(repository):
    """What all of the shipped files permit together."""
    files = sorted((repository / "docs" / "privileges").glob("*.sudoers"))
    return "".join(path.read_text(encoding="utf-8") for path in files)


@pytest.fixture(scope="module")
def borrowed(production) -> list[Command]:
    """Every command of the production inventory that another user runs."""
    (host,) = production.hosts.values()
    commands = []
    for fact in (kind() for kind in REGISTRY.values()):
        if isinstance(fact, ShellFact):
            commands.append(fact.command(host))
        elif isinstance(fact, NounFact):
            commands += [fact.command(host, *item) for item in host.nouns(fact.noun).items()]
    return [command for command in commands if command.user]


def test_each_declared_container_may_be_asked_by_the_facts_own_words(production, sudoers):
    (host,) = production.hosts.values()
    lines = {line.strip().removesuffix(", \\") for line in sudoers.splitlines()}
    assert host.containers
    for name in host.containers:
        assert f"/usr/bin/{' '.join(INSPECT)} {TEMPLATE} -- {name}" in lines


def test_nothing_in_the_template_must_be_escaped_for_sudo():
    assert not set(",:=\\#!*?[]^\n\t'") & set(TEMPLATE)


def test_no_line_has_a_wildcard(sudoers):
    assert not [line for line in sudoers.splitlines() if re.search(r"[*?\[]", line) and not line.startswith("#")]


Asked = Callable[..., subprocess.CompletedProcess[str]]


def _stub(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "{name} as $(/usr/bin/id -un), HOME $HOME, DOCKER_HOST $DOCKER_HOST" "$@"\n'
    )
    path.chmod(0o755)


@pytest.fixture(scope="module")
def ask(every_rule) -> Asked:
    """Runs a command as the files' user, one made for this, with tools that tell what they were given."""
    login, owner = (f"opsproof-{secrets.token_hex(4)}" for _ in range(2))
    folder = Path(tempfile.mkdtemp(prefix="opsproof-"))
    folder.chmod(0o755)
    for tool in ("docker", "perl", "sh"):
        _stub(folder, tool)
    rules = "".join(line for line in every_rule.splitlines(keepends=True) if not line.startswith("#"))
    rules = re.sub(r"^ops ALL", f"{login} ALL", rules, flags=re.MULTILINE).replace("(deploy)", f"({owner})")
    draft = folder / "sudoers"
    draft.write_text(f"Defaults:{login} secure_path={folder}\n{rules.replace('/usr/bin', str(folder))}")
    installed = Path("/etc/sudoers.d") / login

    def ask(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        named = [{"deploy": owner}.get(word, word) for word in words]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", **environment}
        return subprocess.run(
            named, user=login, group=login, extra_groups=[], env=environment, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    try:
        for name in (login, owner):
            subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", name], check=True)
        subprocess.run(["visudo", "--check", "--quiet", f"--file={draft}"], check=True)
        shutil.copy(draft, installed)
        installed.chmod(0o440)
        yield ask
    finally:
        installed.unlink(missing_ok=True)
        for name in (login, owner):
            subprocess.run(["userdel", name], check=False, capture_output=True)
        shutil.rmtree(folder)


@needs_sudo
@pytest.mark.parametrize("name", ["opsproof", "opsproof-backup", "opsproof-restore", "opsproof-drill"])
def test_each_shipped_file_is_valid(repository, name):
    path = repository / "docs" / "privileges" / f"{name}.sudoers"
    subprocess.run(["visudo", "--check", "--quiet", f"--file={path}"], check=True)


@needs_sudo
def test_every_command_that_another_user_runs_is_permitted_word_for_word(ask, borrowed):
    assert {command.user for command in borrowed} == {"deploy", "root"}
    for command in borrowed:
        done = ask(*command.words())
        head, _, rest = done.stdout.partition("\n")
        assert (done.returncode, done.stderr) == (0, ""), command.argv[0]
        assert head.startswith(f"{command.argv[0]} as ")
        assert rest == "".join(f"{word}\n" for word in command.argv[1:])


@needs_sudo
@pytest.mark.parametrize(
    "words",
    [
        ("exec", "-i", CONTAINER, "pg_restore", "--list"),
        ("exec", "-i", CONTAINER, "pg_dump", "--format=custom", "-d", "user=opsproof_backup dbname=metachat"),
        ("exec", "-i", CONTAINER, "sh", "-c", "cat", "/tmp/opsproof.restore"),
        ("exec", "-i", CONTAINER, *FREE),
        ("exec", "-i", CONTAINER, *HAS_PERL),
        starting(DRILL, IMAGE),
        ("exec", "-i", DRILL, "sh", "-c", "initdb"),
        ("rm", "--force", "--volumes", DRILL),
    ],
    ids=["list", "dump", "stage", "room", "perl", "start a drill", "in a drill", "end a drill"],
)
def test_what_actions_do_in_a_container_is_permitted(ask, words):
    done = ask("sudo", "-n", "-u", "root", "--", "docker", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.partition("\n")[2] == "".join(f"{word}\n" for word in words)


@needs_sudo
@pytest.mark.parametrize(
    "words",
    [
        (*starting(DRILL, IMAGE), "sh"),
        starting(DRILL, "another/image:1"),
        starting("another", IMAGE),
        (*starting(DRILL, IMAGE)[:-2], "--volume=/:/host", IMAGE, "86400"),
        ("run", "--detach", "--volume=/:/host", IMAGE),
        ("exec", "-i", "--user", "root", DRILL, "sh"),
        ("exec", "-i", "--privileged", CONTAINER, "psql"),
        ("exec", "-i", CONTAINER, "sh", "-c", "id"),
        ("exec", "-i", "meta-chat-redis", "psql"),
        ("rm", "--force", "--volumes", CONTAINER),
        ("cp", f"{CONTAINER}:/", "-"),
    ],
    ids=[
        "another command", "another image", "another name", "a folder of the host", "an image with one",
        "root in a drill", "more rights", "a shell", "another container", "the database's container", "files",
    ],
)  # fmt: skip
def test_nothing_else_is_done_in_a_container(ask, words):
    done = ask("sudo", "-n", "-u", "root", "--", "docker", *words)
    assert (done.returncode, done.stdout) == (1, "")


@needs_sudo
@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("root", (*INSPECT, ENVIRONMENT, "--", "meta-chat-redis")),
        ("root", ("docker", "inspect", "meta-chat-redis")),
        ("root", (*INSPECT, TEMPLATE, "--format", ENVIRONMENT, "--", "meta-chat-redis")),
        ("root", (*INSPECT, f"{TEMPLATE} --", f"--format={ENVIRONMENT}", "meta-chat-redis")),
        ("root", (*INSPECT, TEMPLATE, "--", "meta-chat-redis", f"--format={ENVIRONMENT}", "meta-chat-redis")),
        ("root", (*INSPECT, TEMPLATE, "--", "meta-chat-redis", "meta-chat-postgres")),
        ("root", (*INSPECT, TEMPLATE, "--", "another")),
        ("root", (*INSPECT, f"{TEMPLATE}{ENVIRONMENT}", "--", "meta-chat-redis")),
        ("root", ("docker", "--host=tcp://example.org", *INSPECT[1:], TEMPLATE, "--", "meta-chat-redis")),
        ("root", ("docker", "exec", "meta-chat-redis", "env")),
        ("root", ("docker", "ps")),
        ("root", ("docker",)),
        ("root", ("perl", "-e", "print 1")),
        ("root", ("/usr/bin/perl", "-e", "print 1")),
        ("deploy", ("sh", "-c", "true")),
        ("deploy", (*INSPECT, TEMPLATE, "--", "meta-chat-redis")),
        ("nobody", ("perl", "-e", "print 1")),
    ],
    ids=[
        "the environment", "everything", "a second format", "a format behind a swallowed end of options",
        "a format between two names", "two names", "another container", "a longer template", "another daemon",
        "docker exec", "docker ps", "docker alone", "perl as root", "the real perl as root",
        "a shell as the owner", "docker as the owner", "perl as a third user",
    ],
)  # fmt: skip
def test_what_is_near_it_is_refused(ask, user, words):
    done = ask("sudo", "-n", "-u", user, "--", *words)
    assert done.returncode != 0
    assert done.stdout == ""
    assert re.search("password is required|not allowed", done.stderr)


@needs_sudo
def test_docker_is_not_led_elsewhere_by_the_callers_environment(ask, borrowed):
    inspect = next(command for command in borrowed if command.user == "root")
    done = ask(*inspect.words(), HOME="/tmp/mine", DOCKER_HOST="tcp://example.org")
    assert done.stdout.startswith("docker as root, HOME /root, DOCKER_HOST \n")
    done = ask("sudo", "-n", "-u", "root", "DOCKER_HOST=tcp://example.org", *inspect.argv)
    assert (done.returncode, done.stdout) == (1, "")
