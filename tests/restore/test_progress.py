"""Progress of restores: a bar on a terminal, else lines."""

from tests.harness.watching import bars_in, lines_of, makes_sense, shown_by, told_in


def test_drill_prints_progress_lines_without_terminal(place):
    told = told_in(lines_of(place.words("restore_drill", "--apply")), "restored")
    assert makes_sense(told, 0.7, 1.3), told


def test_restore_shows_progress_bar_on_terminal(place):
    text = shown_by(place.words("restore", "--apply"))
    bars = bars_in(text, "restored")
    assert makes_sense(bars, 0.7, 1.3), bars
