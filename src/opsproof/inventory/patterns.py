"""Regular expressions with the same meaning in Perl and Python, without code and without exponential time."""

import re

LONGEST = 500
_TOKEN = re.compile(
    r"""
    (?P<quantifier>(?:[*+?]|\{(?P<least>\d+)(?P<range>,\d*)?\})\??)
    |(?P<open>\((?:\?(?:P<[A-Za-z_]\w*>|[:=!]))?(?!\?))
    |(?P<close>\))
    |(?P<either>\|)
    |(?P<class>\[\^?(?:[\x00-\x5a\x5e-\x7f]|\\[dDwWsSnrt]|\\[^\w\s])+\])
    |\\[dDwWsSbBnrt]|\\[^\w\s]|[.^$]
    |(?P<literal>[^\\\[\](){}*+?|])
    """,
    re.VERBOSE,
)
FEW = 4
"""The largest fixed number of repetitions of a group with a variable part."""


def portable(pattern: str) -> str:
    """The `pattern`, if it is portable.

    Raises:
        ValueError: the pattern is invalid, too long, not portable, or may take exponential time.
    """
    if not 0 < len(pattern) <= LONGEST:
        raise ValueError(f"the pattern has {len(pattern)} characters ({LONGEST} at most)")
    _check_tokens(pattern.removeprefix("(?i)"))
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern is invalid: {error}") from error
    return pattern


def _check_tokens(pattern: str) -> None:
    varied = [False]  # for each open group, whether its text can have several lengths
    closed, repeatable, at = False, False, 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None or (token["quantifier"] and not repeatable):
            raise ValueError(f"the pattern is not portable at {pattern[at : at + 10]!r}: escape the character")
        inner = closed and varied.pop()
        if token["quantifier"]:
            _check_quantifier(token, pattern[at - 1], inner)
            inner = not token["least"] or bool(token["range"])
        varied[-1] = varied[-1] or inner or bool(token["either"])
        if token["open"]:
            varied.append(False)
        closed = bool(token["close"]) and len(varied) > 1
        repeatable = not any(token[kind] for kind in ("quantifier", "open", "either"))
        at = token.end()


def _check_quantifier(token: "re.Match[str]", repeated: str, varied: bool) -> None:
    if not repeated.isascii():
        raise ValueError("the pattern repeats a character outside ASCII")
    few = token["quantifier"] == "?" or (token["least"] and not token["range"] and int(token["least"]) <= FEW)
    if varied and not few:
        raise ValueError("the pattern repeats a group with a variable part: the time would be exponential")
