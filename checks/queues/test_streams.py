"""Consumers of RabbitMQ streams are fast enough."""

import pytest

pytestmark = [
    pytest.mark.daily,
    pytest.mark.predeploy,
    pytest.mark.postdeploy,
    pytest.mark.caused_by("test_broker_responds", on="host"),
]


@pytest.mark.remedy("rabbitmq-streams", "list_stream_consumers", "stream", "offset", "offset_lag")
def test_stream_lag_is_within_limit(queues, stream_consumers, stream, allowed, evidence):
    """Streams keep messages after delivery: only the lag of the consumers shows a slow worker."""
    lag = stream_consumers.lag(queues[stream].names)
    evidence("slowest consumers", lag.top)
    assert lag.largest in allowed.stream_lag
