import pytest

from opsproof.core.units import UNITS, parse, show


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("80%", "percent", 80),
        ("83.1 %", "percent", 83.1),
        ("10MB", "bytes", 10_000_000),
        ("1.5 GiB", "bytes", 1_610_612_736),
        ("0B", "bytes", 0),
        ("250ms", "seconds", 0.25),
        ("26h", "seconds", 93_600),
        (" 2w ", "seconds", 1_209_600),
        ("-5s", "seconds", -5),
        (5, "count", 5),
        (1.5, "count", 1.5),
        ("7", "count", 7),
    ],
)
def test_quantities_are_parsed(text, unit, value):
    assert parse(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("80", "percent"),
        ("80MB", "percent"),
        ("10", "bytes"),
        ("10mb", "bytes"),
        ("10 s", "bytes"),
        ("26", "seconds"),
        ("26H", "seconds"),
        ("1h30min", "seconds"),
        ("5%", "count"),
        ("", "count"),
        ("nan", "count"),
        ("1e3", "count"),
        ("1,000", "count"),
        (True, "count"),
    ],
)
def test_wrong_unit_raises_with_an_example(text, unit):
    with pytest.raises(ValueError, match=rf"^'{text}' is not a .*\d"):
        parse(text, unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (83.14, "percent", "83.1 %"),
        (80, "percent", "80 %"),
        (0, "bytes", "0 B"),
        (999, "bytes", "999 B"),
        (1000, "bytes", "1 kB"),
        (512_345_678, "bytes", "512.3 MB"),
        (3 * 10**15, "bytes", "3000 TB"),
        (-2_000_000, "bytes", "-2 MB"),
        (float("inf"), "bytes", "unlimited"),
        (0.2504, "seconds", "250.4 ms"),
        (0, "seconds", "0 ms"),
        (5.2, "seconds", "5.2 s"),
        (60, "seconds", "1 min"),
        (90, "seconds", "90 s"),
        (5400, "seconds", "90 min"),
        (93_600, "seconds", "26 h"),
        (86_400, "seconds", "1 d"),
        (-7200, "seconds", "-2 h"),
        (604_800, "seconds", "7 d"),
        (3, "count", "3"),
        (1.75, "count", "1.8"),
        ("online", "word", "online"),
    ],
)
def test_values_are_formatted(value, unit, text):
    assert show(value, unit) == text


@pytest.mark.parametrize(
    ("unit", "suffix"), [(unit, suffix) for unit, suffixes in UNITS.items() for suffix in suffixes]
)
def test_every_suffix_is_parsed(unit, suffix):
    assert parse(f"2{suffix}", unit) == 2 * UNITS[unit][suffix]
