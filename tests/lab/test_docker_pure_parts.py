"""What of the lab on Docker can be proven without an engine."""

import io
import os
import stat
import subprocess
import tarfile
from dataclasses import replace
from datetime import date, timedelta

import pytest

from lab import LabError
from lab.docker import containers, engine, images, passwords, server, ssh, work
from lab.docker.layout import RABBITMQ, REDIS, VPS, DockerLayout
from lab.docker.stack import DockerLab, rewrite_inventory
from lab.docker.status import NOTHING, Status, is_healthy, words
from lab.layout import REPOSITORY

EVERYTHING = replace(NOTHING, **dict.fromkeys(NOTHING.__dataclass_fields__, True))


@pytest.fixture
def layout(tmp_path):
    """Folders of a lab that has never run."""
    made = DockerLayout(tmp_path / "lab")
    made.create()
    return made


def test_an_inventory_is_rewritten_for_another_home(tmp_path):
    text = 'extends = "metachat.toml"\ntransport = "ssh://ops@127.0.0.1:42222?ssh_config=.lab/docker/ssh/config"\n'

    assert rewrite_inventory(text, tmp_path) == (
        f'extends = "{REPOSITORY}/inventory/metachat.toml"\n'
        f'transport = "ssh://ops@127.0.0.1:42222?ssh_config={tmp_path}/ssh/config"\n'
    )


def test_a_build_is_of_the_same_day_for_two_weeks():
    days = [images.fortnight(date(2026, 11, 23) + timedelta(days=n)) for n in range(42)]

    assert max(days.count(day) for day in set(days)) == 14
    assert all(date.fromisoformat(day) <= date(2026, 11, 23) + timedelta(days=n) for n, day in enumerate(days))


def test_scripts_of_a_build_can_be_run():
    context = images.archive({"seed": b"#!/bin/sh\n", "schema.sql": b"SELECT 1;\n"})

    with tarfile.open(fileobj=io.BytesIO(context)) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"seed": 0o755, "schema.sql": 0o644}


def test_a_base_image_in_the_cache_is_neither_pulled_nor_made_again(tmp_path, script):
    log, base = tmp_path / "log", tmp_path / "base.tar"
    base.write_bytes(b"files")
    script(tmp_path / "bin" / "docker", f'echo "$@" >> {log}; [ "$1" != image ]')
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}

    subprocess.run([images.BASE, "trixie", tmp_path], env=environment, check=True)

    inspected, imported = log.read_text().splitlines()
    assert inspected == "image inspect debian:trixie-slim"
    assert imported == f'import --change CMD ["bash"] {base} debian:trixie-slim'


def test_bases_in_the_cache_are_those_of_this_script_and_fortnight(monkeypatch):
    first = images.cached("trixie")

    assert first == images.cached("trixie") != images.cached("bookworm")
    monkeypatch.setattr(images, "_today", lambda: "2026-01-01")
    assert first != images.cached("trixie")


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda image: image.name)
def test_a_build_has_what_its_dockerfile_copies(image):
    files = set(image.files()) | {"machine/"}
    dockerfile = image.files()[f"images/{image.name}/Dockerfile"].decode()
    copied = [
        line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY") and "--from" not in line
    ]

    wanted = {word for words in copied for word in words if not word.startswith("--")}
    assert {word for word in wanted if not any(file.startswith(word) for file in files)} == set()


def test_every_lab_has_passwords_of_its_own_and_keeps_them(layout):
    found = passwords.load(layout)

    assert found == passwords.load(layout)
    assert len(set(found.all)) == len(found.all) > 10
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700
    assert set(found.postgres.values()) | set(found.redis.values()) | set(found.rabbitmq.values()) <= set(found.all)


def test_no_password_is_an_argument(layout):
    found = passwords.load(layout)

    words = [word for container in containers.all_of(found) for word in (*container.options, *containers.COMMON)]
    assert not any(secret in word for secret in found.all for word in words)


def test_every_port_is_published_on_loopback_alone(layout):
    options = [option for container in containers.all_of(passwords.load(layout)) for option in container.options]

    assert all(option.startswith("--publish=127.0.0.1:") for option in options if option.startswith("--publish"))


def test_a_file_of_the_server_has_an_owner_and_is_private():
    content = server.archive([server.File("/home/ops/.opsproof/postgres", b"word\n", "ops")])

    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        (entry,) = tar
        assert (entry.name, entry.mode, entry.uid) == ("home/ops/.opsproof/postgres", 0o600, server.OWNERS["ops"])


def test_the_client_knows_this_server_alone(layout):
    ssh.prepare(layout)
    first = ssh.public(layout, ssh.SERVER)
    ssh.prepare(layout)

    assert ssh.public(layout, ssh.SERVER) == first
    assert (layout.ssh / "known_hosts").read_text() == f"[127.0.0.1]:42222 {' '.join(first.split()[:2])}\n"
    assert f'IdentityFile "{layout.ssh}/id_ed25519"' in (layout.ssh / "config").read_text()
    assert stat.S_IMODE((layout.ssh / "id_ed25519").stat().st_mode) == 0o600


def test_lines_of_the_server_are_read_by_their_name():
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
def test_the_server_is_blamed_where_all_databases_work(status: Status, blamed):
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
def test_a_container_is_sound_when_it_runs_and_is_healthy(state, sound):
    assert is_healthy({"State": state}) is sound


def test_a_change_of_settings_is_noticed():
    found = {"Id": "1", "HostConfig": {"Memory": 1}, "NetworkSettings": {"Networks": {"meta-chat": {"IPAddress": "1"}}}}
    moved = found | {"NetworkSettings": {"Networks": {"meta-chat": {"IPAddress": "2"}}}}

    assert containers.setup_hash(found) == containers.setup_hash(moved)
    assert containers.setup_hash(found) != containers.setup_hash(found | {"HostConfig": {"Memory": 2}})
    assert containers.setup_hash(found) != containers.setup_hash(found | {"NetworkSettings": {"Networks": {}}})


def test_the_queues_are_those_that_the_worker_consumes():
    assert len(work.QUEUES) == 54
    assert work.QUEUES[0] == "tenant.ten00001.channel.whatsapp.inbound.queue"


@pytest.mark.parametrize("command", ["status", "up", "down"])
def test_without_an_engine_it_says_what_to_do(tmp_path, monkeypatch, command):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")

    with pytest.raises(LabError, match=r"no docker engine answers: .*: start dockerd or install docker.io"):
        getattr(DockerLab(tmp_path / "lab"), command)()
    assert not (tmp_path / "lab").exists()


def test_without_a_client_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(LabError, match=r"no docker engine answers: docker cannot be run: .*: start dockerd"):
        engine.require()


def test_of_several_jobs_the_failed_one_is_named(tmp_path):
    jobs = [
        engine.Job("one", ("sh", "-c", "cat"), tmp_path / "one.log", b"text"),
        engine.Job("two", ("sh", "-c", "echo no room; exit 3"), tmp_path / "two.log"),
    ]

    with pytest.raises(LabError, match=f"two failed: no room: see {tmp_path}/two.log"):
        engine.run_all(jobs)
    assert (tmp_path / "one.log").read_text() == "text"
