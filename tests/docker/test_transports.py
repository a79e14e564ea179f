"""A round over docker:// has the same verdicts as over ssh, except for the database, which needs a tunnel."""

from dataclasses import replace

import pytest

from lab.docker import passwords
from lab.docker.faults.steps import DATABASE_CHECKS, IN_DATABASE
from lab.docker.layout import POSTGRES_PORT
from tests.proving import bad, check

pytestmark = pytest.mark.docker
SQL = {*DATABASE_CHECKS, *IN_DATABASE}
TUNNELLED = 'port=5432 dbname=metachat user=opsproof_monitor"\npassword_file = "/home/ops/.opsproof/postgres"\n'
DIRECT = (
    f'port={POSTGRES_PORT} dbname=metachat user=opsproof_monitor"\nreach = "direct"\npassword_env = "PROOF_PASSWORD"\n'
)


@pytest.fixture(scope="module")
def over_ssh(rounds):
    """The verdicts of a round over ssh."""
    return rounds.run()


@pytest.fixture
def over_docker(rounds, tmp_path):
    """Rounds over docker:// with the same history; `changes` are further replacements in the inventory."""

    def rounds_with(*changes, **environment):
        text = rounds.inventory.read_text()
        transport = next(line for line in text.splitlines() if line.startswith("transport = "))
        for before, after in ((transport, 'transport = "docker://ops@meta-chat-vps"'), *changes):
            assert before in text
            text = text.replace(before, after)
        inventory = tmp_path / "over-docker.toml"
        inventory.write_text(text)
        return replace(rounds, inventory=inventory, environment={**rounds.environment, **environment})

    return rounds_with


def test_all_but_the_database_is_measured_over_docker(over_ssh, over_docker):
    others = over_docker()
    verdicts = others.run()
    assert {check(test) for test in bad(verdicts)} == SQL
    assert {test: verdict for test, verdict in verdicts.items() if check(test) not in SQL} == {
        test: verdict for test, verdict in over_ssh.items() if check(test) not in SQL
    }
    for test in bad(verdicts):
        assert verdicts[test] == "unknown"
        assert "docker:// cannot tunnel to the database" in others.sentences[test]


def test_database_is_reached_by_a_published_port(over_ssh, docker_lab, over_docker):
    password = passwords.load(docker_lab.layout).platform.passwords["opsproof_monitor"]
    assert over_docker((TUNNELLED, DIRECT), PROOF_PASSWORD=password).run() == over_ssh
