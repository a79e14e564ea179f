"""Redis answers, saves its data, and rejects no client."""

import pytest

pytestmark = [
    pytest.mark.daily,
    pytest.mark.predeploy,
    pytest.mark.postdeploy,
    pytest.mark.caused_by("test_cache_responds"),
]


@pytest.mark.remedy("redis ping")
@pytest.mark.caused_by("test_container_is_running", on="container")
def test_cache_responds(cache_states, cache):
    """A hung Redis hangs the platform's own health answer too."""
    silence = cache_states[cache].silence
    assert not silence, f"{cache} does not answer: {silence}"


@pytest.mark.remedy("redis-cli", "--memkeys", absent=("redis-cli", "info", "memory"))
def test_cache_memory_is_within_limit(cache_states, cache, allowed, evidence):
    """At maxmemory Redis refuses writes or evicts keys, depending on maxmemory-policy."""
    report = cache_states[cache].report
    evidence("memory", [f"policy {report.policy}"])
    assert report.memory_used in allowed.cache_memory


@pytest.mark.remedy("redis-cli", "info", "persistence")
def test_last_save_succeeded(cache_states, cache):
    """After a failed save Redis refuses writes: check for a full disk, or too little memory to fork."""
    failures = cache_states[cache].report.failed_saves
    assert not failures, f"{cache}: {'; '.join(failures)}"


@pytest.mark.remedy("redis-cli", "bgsave")
def test_last_save_is_recent(cache_states, cache, allowed):
    """A crash loses all writes since the last save."""
    assert cache_states[cache].report.save_age_s in allowed.cache_save_age


@pytest.mark.remedy("redis-cli", "client", "list")
def test_no_client_was_rejected(cache_states, cache, increase, allowed):
    """All connections were in use: a client leaks connections, or maxclients is too low."""
    assert increase(cache_states[cache].report.rejected, allowed.connections_rejected) in allowed.connections_rejected


@pytest.mark.remedy("redis-cli", "info", "stats")
def test_no_key_was_evicted(cache_states, cache, increase, allowed):
    """Redis evicted sessions and rate limits before their expiry, to free memory."""
    assert increase(cache_states[cache].report.evicted, allowed.keys_evicted) in allowed.keys_evicted
