"""The sudoers files permit exactly the commands that facts and actions run as another user, tested with sudo."""

import grp
import itertools
import os
import pwd
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from opsproof.doctor import probes
from opsproof.facts import REGISTRY
from opsproof.facts.base import ResourceFact, ShellFact
from opsproof.facts.containers import TEMPLATE, ContainerNames
from opsproof.privileges import held, rules
from opsproof.restore.copy import HAS_PERL
from opsproof.restore.throwaway import FREE, SUFFIX, starting
from opsproof.transport.shell import Command
from tests.harness import isolation

TOOLS = ("sudo", "visudo", "unshare", "setpriv")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
needs_sudo = pytest.mark.skipif(
    bool(MISSING) or not isolation.possible(),
    reason=f"not installed: {', '.join(MISSING)}" if MISSING else "mount namespaces need root",
)
TOOLS_SEEN = "/mnt"
NAMESPACE = f"""
set -e
chmod 644 "$0/passwd" "$0/group"
chmod 755 "$0/tools"
for each in passwd group sudoers.d; do mount --bind "$0/$each" "/etc/$each"; done
mount --bind "$0/tools" {TOOLS_SEEN}
[ ! -d /run/sudo ] || mount -t tmpfs opsproof /run/sudo
[ ! -e /dev/log ] || mount --bind /dev/null /dev/log
exec "$@"
"""
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
    """The rules of all shipped files together."""
    files = sorted((repository / "docs" / "privileges").glob("*.sudoers"))
    return "".join(path.read_text(encoding="utf-8") for path in files)


@pytest.fixture(scope="module")
def borrowed(production) -> list[Command]:
    """All commands of the production inventory that run as another user."""
    (host,) = production.hosts.values()
    commands = []
    for fact in (kind() for kind in REGISTRY.values()):
        if isinstance(fact, ShellFact):
            commands.append(fact.command(host))
        elif isinstance(fact, ResourceFact):
            commands += [fact.command(host, *item) for item in host.resources(fact.resource).items()]
    return [command for command in commands if command.user]


def test_docker_inspect_of_each_declared_container_is_permitted(production, sudoers):
    (host,) = production.hosts.values()
    lines = {line.strip().removesuffix(", \\") for line in sudoers.splitlines()}
    assert host.containers
    for name in host.containers:
        assert f"/usr/bin/{' '.join(INSPECT)} {TEMPLATE} -- {name}" in lines


def test_list_of_containers_is_permitted(production, sudoers):
    (host,) = production.hosts.values()
    assert f"/usr/bin/{' '.join(ContainerNames().command(host).argv)}" in sudoers


def test_template_needs_no_escape_for_sudo():
    assert not set(",:=\\#!*?[]^\n\t'") & set(TEMPLATE)


def test_rules_have_no_wildcard(sudoers):
    assert not [line for line in sudoers.splitlines() if re.search(r"[*?\[]", line) and not line.startswith("#")]


Asked = Callable[..., subprocess.CompletedProcess[str]]


def _stub(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "{name} as $(/usr/bin/id -un), HOME $HOME, DOCKER_HOST $DOCKER_HOST" "$@"\n'
    )
    path.chmod(0o755)


def _accounts(folder: Path, names: tuple[str, ...]) -> int:
    """Writes the accounts of this machine, plus an account per name, and returns the first new ID."""
    taken = {each.pw_uid for each in pwd.getpwall()} | {each.gr_gid for each in grp.getgrall()}
    first = next(n for n in itertools.count(50_000) if not taken & set(range(n, n + len(names))))
    numbered = list(enumerate(names, first))
    users = "".join(f"{name}:*:{number}:{number}::/nonexistent:/bin/sh\n" for number, name in numbered)
    groups = "".join(f"{name}:*:{number}:\n" for number, name in numbered)
    (folder / "passwd").write_text(Path("/etc/passwd").read_text(encoding="utf-8") + users, encoding="utf-8")
    (folder / "group").write_text(Path("/etc/group").read_text(encoding="utf-8") + groups, encoding="utf-8")
    return first


def _installed(folder: Path, rules: str, login: str, owner: str) -> None:
    """Installs the shipped rules for `login`, with stub tools that print their arguments."""
    (folder / "sudoers.d").mkdir()
    (folder / "tools").mkdir()
    for tool in ("docker", "perl", "sh"):
        _stub(folder / "tools", tool)
    lines = "".join(line for line in rules.splitlines(keepends=True) if not line.startswith("#"))
    lines = re.sub(r"^ops ALL", f"{login} ALL", lines, flags=re.MULTILINE).replace("(deploy)", f"({owner})")
    draft = folder / "sudoers.d" / "opsproof"
    draft.write_text(f"Defaults:{login} secure_path={TOOLS_SEEN}\n{lines.replace('/usr/bin', TOOLS_SEEN)}")
    draft.chmod(0o440)
    subprocess.run(["visudo", "--check", "--quiet", f"--file={draft}"], check=True)


@pytest.fixture(scope="module")
def ask(every_rule, tmp_path_factory) -> Asked:
    """Runs a command as the user of the rules, in a mount namespace with separate accounts and rules."""
    login, owner = (f"opsproof-{secrets.token_hex(4)}" for _ in range(2))
    folder = tmp_path_factory.mktemp("sudo")
    number = _accounts(folder, (login, owner))
    _installed(folder, every_rule, login, owner)
    drop = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]
    prefix = ["unshare", "--mount", "sh", "-c", NAMESPACE, str(folder), *drop, "--"]

    def ask(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        named = [{"deploy": owner}.get(word, word) for word in words]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", **environment}
        return subprocess.run(
            [*prefix, *named], env=environment, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    return ask


@needs_sudo
def test_namespace_does_not_change_this_machine(ask):
    before = _settings()
    login = ask("id", "-un").stdout.strip()
    assert login.startswith("opsproof-")
    assert ask("sudo", "-n", "-u", "deploy", "--", "perl").returncode == 0
    assert ask("sudo", "-n", "-u", "root", "--", "perl").returncode == 1
    assert login not in Path("/etc/passwd").read_text(encoding="utf-8")
    assert [path for path in Path("/etc/sudoers.d").iterdir() if login in path.read_text(encoding="utf-8")] == []
    assert _settings() == before


def _settings() -> dict[Path, tuple[int, int]]:
    """The modification time and size of the files of accounts, rules and sudo records."""
    folders = [Path(each) for each in ("/etc/sudoers.d", "/run/sudo", "/var/lib/sudo")]
    paths = [*Path("/etc").iterdir(), *(path for folder in folders for path in (folder, *folder.rglob("*")))]
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in paths if path.exists()}


@needs_sudo
@pytest.mark.parametrize("name", ["opsproof", "opsproof-backup", "opsproof-restore", "opsproof-drill"])
def test_shipped_files_are_valid(repository, name):
    path = repository / "docs" / "privileges" / f"{name}.sudoers"
    subprocess.run(["visudo", "--check", "--quiet", f"--file={path}"], check=True)


@needs_sudo
def test_commands_of_another_user_are_permitted_unchanged(ask, borrowed):
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
def test_container_commands_of_actions_are_permitted(ask, words):
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
def test_foreign_container_commands_are_denied(ask, words):
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
def test_similar_commands_are_denied(ask, user, words):
    done = ask("sudo", "-n", "-u", user, "--", *words)
    assert done.returncode != 0
    assert done.stdout == ""
    assert re.search("password is required|not allowed", done.stderr)


@needs_sudo
def test_listed_rights_equal_the_rules(ask, every_rule):
    listed = ask("sudo", "-n", "-ll").stdout
    granted = {(user, command.replace(TOOLS_SEEN, "/usr/bin")) for user, command in held.granted_in(listed)}
    owner = next(user for user, _ in granted if re.fullmatch(r"opsproof-[0-9a-f]{8}", user))
    assert {("deploy" if user == owner else user, command) for user, command in granted} == {*held.rules_of(every_rule)}


@needs_sudo
def test_doctor_asks_sudo_for_each_rule_without_running_it(ask, production):
    (host,) = production.hosts.values()
    listed = rules.of_rounds(host)
    assert len(listed) > 3
    for rule in listed:
        done = ask(*probes._listed(rule).argv)
        assert (done.returncode, done.stderr) == (0, ""), rule
        assert " as " not in done.stdout
    assert ask(*probes._listed(rules.SudoRule("root", "perl")).argv).returncode == 1


@needs_sudo
def test_environment_of_the_caller_does_not_redirect_docker(ask, borrowed):
    inspect = next(command for command in borrowed if command.user == "root")
    done = ask(*inspect.words(), HOME="/tmp/mine", DOCKER_HOST="tcp://example.org")
    assert done.stdout.startswith("docker as root, HOME /root, DOCKER_HOST \n")
    done = ask("sudo", "-n", "-u", "root", "DOCKER_HOST=tcp://example.org", *inspect.argv)
    assert (done.returncode, done.stdout) == (1, "")
