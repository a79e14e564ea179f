"""The declared causes of all checks are tests of the same round."""

import pytest

PLUGIN = """
from opsproof.round.causes import causes
from opsproof.round.run import RUN


def pytest_collection_finish(session):
    hosts = session.config.stash[RUN].inventory.hosts
    for item in session.items:
        for cause in causes(item, hosts):
            print("cause of", item.name, "is", cause)
        print("there is", item.name)
"""


@pytest.fixture(scope="module")
def declared(collected):
    """Pairs of test and cause, and all tests, of an inventory."""

    def declared(inventory):
        lines = collected(PLUGIN, f"inventory/{inventory}.toml")
        found = [line.removeprefix("cause of ").split(" is ") for line in lines if line.startswith("cause of ")]
        return found, {line.removeprefix("there is ") for line in lines if line.startswith("there is ")}

    return declared


def test_every_declared_cause_is_a_check_of_the_resource(declared):
    runs = [declared(inventory) for inventory in ("metachat", "lab-docker", "lab-shop")]
    named = {_checks(pair) for found, _ in runs for pair in found}
    assert len(named) > 50
    assert named - {_checks(pair) for found, tests in runs for pair in found if pair[1] in tests} == set()


def _checks(pair):
    return tuple(each.partition("[")[0] for each in pair)


def test_cause_is_of_the_same_resource_of_the_host_or_of_what_the_resource_belongs_to(declared):
    causes = dict(declared("lab-docker")[0])
    assert causes["test_process_is_online[vps-meta-chat-api]"] == "test_pm2_daemon_is_running[vps]"
    assert causes["test_response_time_is_within_limit[vps-health]"] == "test_endpoint_responds[vps-health]"
    accepts = "test_database_accepts_connections[vps-metachat]"
    assert causes[accepts] == "test_container_is_running[vps-meta-chat-postgres]"
    assert causes["test_vector_index_is_valid[vps-chunks_embedding_ivfflat_idx]"] == accepts
