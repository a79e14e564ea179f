"""Moments and samples depend only on the tree; the full proof includes all."""

import pytest

from tests.harness import extent


@pytest.fixture
def drawn(monkeypatch):
    def choose(seed, full=False):
        monkeypatch.setattr(extent, "seed", lambda: seed)
        monkeypatch.setattr(extent, "FULL", full)
        monkeypatch.setattr(extent, "KILLS", 25 if full else 3)

    return choose


def test_moments_are_one_of_each_third_and_the_same_for_the_same_tree(drawn):
    drawn("a tree")
    moments = extent.moments("backup")
    assert [int(3 * each) for each in moments] == [0, 1, 2]
    assert moments == extent.moments("backup") != extent.moments("restore")
    drawn("another tree")
    assert moments != extent.moments("backup")


def test_all_moments_are_evenly_spread(drawn):
    drawn("a tree", full=True)
    moments = extent.moments("backup")
    assert len(moments) == 25
    assert moments[0] == pytest.approx(1 - moments[-1])


def test_a_sample_keeps_its_order_and_is_everything_when_everything_is_wanted(drawn):
    drawn("a tree")
    sample = extent.sample("faults", range(100), 10)
    assert len(set(sample)) == 10
    assert sample == sorted(sample)
    drawn("a tree", full=True)
    assert extent.sample("faults", range(100), 10) == list(range(100))


def test_seed_is_the_hash_of_the_committed_tree_or_that_of_an_earlier_run(monkeypatch):
    monkeypatch.delenv("OPSPROOF_SEED", raising=False)
    extent.seed.cache_clear()
    assert extent.seed() == "no commit" or len(extent.seed()) == 12
    monkeypatch.setenv("OPSPROOF_SEED", "earlier seed")
    extent.seed.cache_clear()
    assert extent.seed() == "earlier seed"
    extent.seed.cache_clear()
