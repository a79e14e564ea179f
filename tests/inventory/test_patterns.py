"""Patterns of log lines: the same meaning in Perl and Python, and no exponential time."""

import re
import subprocess

import pytest

from opsproof.inventory.patterns import portable

MATCH = "binmode $_, ':raw' for *STDIN, *STDOUT; my $p = shift; print join '|', map { $_ // '-' } <STDIN> =~ /$p/"


@pytest.mark.parametrize(
    ("pattern", "line", "groups"),
    [
        (r"^(?P<level>[A-Z]+): (?P<message>.*)", "ERROR: x y", ["ERROR", "x y"]),
        (r"(?i)insecure (http)", "Insecure HTTP request", ["HTTP"]),
        (r"(\d{1,3})(?:\.\d+){3} \[([^\]]+)\]", "127.0.0.1 [a b]", ["127", "a b"]),
        (r"^(?:a|bc)?(-?\d+?)\s*$", "bc-12 ", ["-12"]),
        (r"(Pogreška) in \$x @y #z", "Pogreška in $x @y #z", ["Pogreška"]),
        (r"(?!INFO)(\w+)(?=: )", "WARN: x", ["WARN"]),
        (r"([]x^-]+)", "a]-^x", None),
    ],
)
def test_portable_patterns_match_alike(pattern, line, groups):
    if groups is None:
        with pytest.raises(ValueError, match="not portable"):
            portable(pattern)
        return
    assert list(re.search(portable(pattern), line).groups()) == groups
    done = subprocess.run(["perl", "-e", MATCH, pattern], input=line.encode(), capture_output=True, check=True)
    assert done.stdout.decode().split("|") == groups


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "has 0 characters"),
        ("x" * 501, "has 501 characters"),
        *((each, "is not portable at") for each in (
            "(?{ system 'id' })", "(??{ 1 })", "(?<=a)b", r"(a)\1", r"\p{L}", r"a\K", "[[:alpha:]]", "a{,3}", "(?R)",
            "(?#x)", "(?x) a", "(?P=x)", "(?>a)", "a++", "{", "x**", "(?i:a)", r"\x41", "a(?i)b", "*a",
        )),
        *((each, "would be exponential") for each in (
            "(a+)+", "(a*)*$", "(?:a|a)*", "((a|b)c)+", "(?:a?){20}", r"(\d+){2,}", "((a+))+", "(?:(?:a{1,2}))*",
        )),
        ("(é+)", "outside ASCII"),
        ("[é]", "is not portable at"),
        ("(a", "is invalid"),
        ("a)", "is invalid"),
        ("(?P<x>a)(?P<x>b)", "is invalid"),
    ],
)  # fmt: skip
def test_other_patterns_are_refused(pattern, complaint):
    with pytest.raises(ValueError, match=complaint):
        portable(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)?", r"(?:\d+\.){3}\d+", "(?:ab){9}", "(a|b)", "a*?b+?", r"[^\]\\]+", "(a|b)?"]
)
def test_harmless_repetitions_are_allowed(pattern):
    assert portable(pattern) == pattern
