"""Parts of the docker lab that need no engine."""

import io
import os
import stat
import subprocess
import tarfile
from dataclasses import replace
from datetime import date, timedelta

import pytest

from lab import LabError, debian, ssh
from lab.docker import containers, engine, images, passwords, server, work
from lab.docker.layout import RABBITMQ, REDIS, VPS, DockerLayout
from lab.docker.stack import DockerLab, rewrite_inventory
from lab.docker.status import NOTHING, Status, is_healthy, words
from lab.layout import REPOSITORY

EVERYTHING = replace(NOTHING, **dict.fromkeys(NOTHING.__dataclass_fields__, True))


@pytest.fixture
def layout(tmp_path):
    """Folders of a new lab."""
    made = DockerLayout(tmp_path / "lab")
    made.create()
    return made


def test_an_inventory_is_rewritten_for_another_home(tmp_path):
    text = 'extends = "metachat.toml"\ntransport = "ssh://ops@127.0.0.1:42222?ssh_config=.lab/docker/ssh/config"\n'

    assert rewrite_inventory(text, tmp_path) == (
        f'extends = "{REPOSITORY}/inventory/metachat.toml"\n'
        f'transport = "ssh://ops@127.0.0.1:42222?ssh_config={tmp_path}/ssh/config"\n'
    )


def test_build_date_changes_every_two_weeks():
    days = [debian.fortnight(date(2026, 11, 23) + timedelta(days=n)) for n in range(42)]

    assert max(days.count(day) for day in set(days)) == 14
    assert all(date.fromisoformat(day) <= date(2026, 11, 23) + timedelta(days=n) for n, day in enumerate(days))


def test_build_scripts_are_executable():
    context = images.archive({"seed": b"#!/bin/sh\n", "schema.sql": b"SELECT 1;\n"})

    with tarfile.open(fileobj=io.BytesIO(context)) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"seed": 0o755, "schema.sql": 0o644}


def test_cached_base_image_is_neither_pulled_nor_rebuilt(tmp_path, script):
    log, base = tmp_path / "log", tmp_path / "base.tar"
    base.write_bytes(b"files")
    script(tmp_path / "bin" / "docker", f'echo "$@" >> {log}; [ "$1" != image ]')
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    subprocess.run([images.BASE, "trixie", tmp_path], env=environment, check=True)

    inspected, imported = log.read_text().splitlines()
    assert inspected == "image inspect debian:trixie-slim"
    assert imported == f'import --change CMD ["bash"] {base} debian:trixie-slim'


def test_cache_key_of_base_image_depends_on_suite_and_fortnight(monkeypatch):
    first = debian.entry("trixie")

    assert first == debian.entry("trixie") != debian.entry("bookworm")
    monkeypatch.setattr(debian, "today", lambda: "2026-01-01")
    assert first != debian.entry("trixie")


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda image: image.name)
def test_build_context_has_all_files_copied_by_its_dockerfile(image):
    files = set(image.files()) | {"machine/"}
    dockerfile = image.files()[f"images/{image.name}/Dockerfile"].decode()
    copied = [
        line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY") and "--from" not in line
    ]

    wanted = {word for words in copied for word in words if not word.startswith("--")}
    assert {word for word in wanted if not any(file.startswith(word) for file in files)} == set()


def test_each_lab_generates_and_keeps_its_passwords(layout):
    found = passwords.load(layout)

    assert found == passwords.load(layout)
    assert len(set(found.all)) == len(found.all) > 10
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700
    assert set(found.postgres.values()) | set(found.redis.values()) | set(found.rabbitmq.values()) <= set(found.all)


def test_no_password_is_an_argument(layout):
    found = passwords.load(layout)

    words = [word for container in containers.all_of(found) for word in (*container.options, *containers.COMMON)]
    assert not any(secret in word for secret in found.all for word in words)


def test_every_port_is_published_on_loopback_only(layout):
    options = [option for container in containers.all_of(passwords.load(layout)) for option in container.options]

    assert all(option.startswith("--publish=127.0.0.1:") for option in options if option.startswith("--publish"))


def test_server_file_has_an_owner_and_is_private():
    content = server.archive([server.File("/home/ops/.opsproof/postgres", b"word\n", "ops")])

    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        (entry,) = tar
        assert (entry.name, entry.mode, entry.uid) == ("home/ops/.opsproof/postgres", 0o600, server.OWNERS["ops"])


def test_ssh_client_trusts_only_the_labs_server(layout):
    ssh.prepare(layout.ssh, "[127.0.0.1]:42222")
    first = ssh.public(layout.ssh, ssh.SERVER)
    ssh.prepare(layout.ssh, "[127.0.0.1]:42222")

    assert ssh.public(layout.ssh, ssh.SERVER) == first
    assert (layout.ssh / "known_hosts").read_text() == f"[127.0.0.1]:42222 {' '.join(first.split()[:2])}\n"
    assert f'IdentityFile "{layout.ssh}/id_ed25519"' in (layout.ssh / "config").read_text()
    assert stat.S_IMODE((layout.ssh / "id_ed25519").stat().st_mode) == 0o600


def test_status_lines_are_parsed_by_name():
    text = "system running\nunits active\nprocess meta-chat-api online S\nconsumed 54\n"

    assert words(text) == {
        "system": ["running"],
        "units": ["active"],
        "meta-chat-api": ["online", "S"],
        "consumed": ["54"],
    }


@pytest.mark.parametrize(
    ("status", "blamed"),
    [
        (EVERYTHING, []),
        (replace(EVERYTHING, proxy=False), [VPS]),
        (replace(EVERYTHING, redis=False, api=False), [REDIS]),
        (replace(EVERYTHING, rabbitmq=False, redis=False, worker=False), [REDIS, RABBITMQ]),
    ],
    ids=["nothing", "proxy", "redis", "two databases"],
)
def test_server_is_blamed_if_all_databases_work(status: Status, blamed):
    assert status.to_blame == blamed


@pytest.mark.parametrize(
    ("state", "sound"),
    [
        ({"Status": "running"}, True),
        ({"Status": "running", "Health": {"Status": "healthy"}}, True),
        ({"Status": "running", "Health": {"Status": "starting"}}, False),
        ({"Status": "paused", "Health": {"Status": "healthy"}}, False),
        ({"Status": "exited", "Health": {"Status": "healthy"}}, False),
    ],
    ids=str,
)
def test_container_is_healthy_if_running_without_failed_health_check(state, sound):
    assert is_healthy({"State": state}) is sound


def test_changed_container_settings_are_noticed():
    found = {"Id": "1", "HostConfig": {"Memory": 1}, "NetworkSettings": {"Networks": {"meta-chat": {"IPAddress": "1"}}}}
    moved = found | {"NetworkSettings": {"Networks": {"meta-chat": {"IPAddress": "2"}}}}

    assert containers.setup_hash(found) == containers.setup_hash(moved)
    assert containers.setup_hash(found) != containers.setup_hash(found | {"HostConfig": {"Memory": 2}})
    assert containers.setup_hash(found) != containers.setup_hash(found | {"NetworkSettings": {"Networks": {}}})


def test_queues_match_the_workers_queues():
    assert len(work.QUEUES) == 54
    assert work.QUEUES[0] == "tenant.ten00001.channel.whatsapp.inbound.queue"


@pytest.mark.parametrize("command", ["status", "up", "down"])
def test_missing_engine_is_reported_with_advice(tmp_path, monkeypatch, command):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")

    with pytest.raises(LabError, match=r"no docker engine answers: .*: start dockerd or install docker.io"):
        getattr(DockerLab(tmp_path / "lab"), command)()
    assert not (tmp_path / "lab").exists()


def test_missing_docker_client_is_reported(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(LabError, match=r"no docker engine answers: docker cannot be run: .*: start dockerd"):
        engine.require()


def test_failed_job_is_named(tmp_path):
    jobs = [
        engine.Job("one", ("sh", "-c", "cat"), tmp_path / "one.log", b"text"),
        engine.Job("two", ("sh", "-c", "echo no room; exit 3"), tmp_path / "two.log"),
    ]

    with pytest.raises(LabError, match=f"two failed: no room: see {tmp_path}/two.log"):
        engine.run_all(jobs)
    assert (tmp_path / "one.log").read_text() == "text"
