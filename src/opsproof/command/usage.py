"""Errors of the command line."""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """The command line is invalid; the message says what to type instead. `status` is the exit status."""

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(message)
        self.status = status


def unknown(kind: str, word: str, known: Iterable[str], command: str) -> str:
    """The message about an unknown word of a kind: a similar one of the `known`, and the help of `command`."""
    close = difflib.get_close_matches(word, list(known), n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    first = f"write the {kind} first, " if word.startswith("-") and kind != "option" else ""
    return f"unknown {kind} {word!r}: {first or meant}see {command} --help"
