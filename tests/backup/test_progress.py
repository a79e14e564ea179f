import time

import pytest

from opsproof.backup import progress
from opsproof.errors import MeasurementError, StepFailed


def test_lines_tell_how_far_it_is_but_not_all_the_time(monkeypatch):
    said = []
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.05)
    told = progress.Told("dumped", 4_000_000, said.append, time.monotonic())
    told(1_000_000)
    time.sleep(0.06)
    told(2_000_000)
    told(3_000_000)
    assert said == ["  dumped: 2 MB of about 4 MB"]


def test_what_is_watched_ends_with_its_own_error_and_a_size_that_cannot_be_told_is_none(monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.01)
    told = []

    class Tell(progress.Told):
        def __call__(self, done):
            told.append(done)

    def size():
        if told:
            raise MeasurementError("gone")
        return 5.0

    def work():
        time.sleep(0.1)
        raise StepFailed("the disk is full")

    with pytest.raises(StepFailed, match="the disk is full"):
        progress.watched(work, size, Tell("dumped", 10, print))
    assert told == [5.0]


def test_without_a_terminal_it_is_told_in_lines():
    said = []
    with progress.telling("dumped", 10, said.append, quiet=False) as tell:
        tell(5)
    assert said == []
