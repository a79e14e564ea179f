"""A restore is shown as a bar on a terminal, and told of in lines elsewhere."""

from tests.harness.watching import bars_in, lines_of, makes_sense, shown_by, told_in


def test_a_drill_is_told_of_in_lines(place):
    told = told_in(lines_of(place.words("restore_drill", "--apply")), "restored")
    assert makes_sense(told, 0.7, 1.3), told


def test_a_restore_is_shown_as_a_bar_on_a_terminal(place):
    text = shown_by(place.words("restore", "--apply"))
    bars = bars_in(text, "restored")
    assert makes_sense(bars, 0.7, 1.3), bars
