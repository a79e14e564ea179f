"""The templates of the page: text from hosts and inventories is escaped, and characters without a glyph are shown."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsproof.core.units import show, show_moment

if TYPE_CHECKING:
    import jinja2

FOLDER = Path(__file__).parent
_LAYOUT = {"\n", "\t"}
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters of Unicode without a glyph, and marks that at most change the glyph before them."""


@cache
def environment() -> "jinja2.Environment":
    """Compiles no template yet."""
    import jinja2  # pytest-html loads jinja2 only to write the page

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    made.filters |= {"shown": show, "moment": show_moment, "words": words}
    made.tests["copyable"] = is_copyable
    return made


def read(name: str) -> Any:
    """A style sheet or a script of the page, as it is."""
    from markupsafe import Markup

    return Markup((FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704  # part of this package


def visible(text: str) -> str:
    """`text` with a code point in brackets for each character that a reader cannot see: ``[U+202E]``.

    Such are control characters, marks that change the direction of text, and spaces of other widths.
    """
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join(each if _is_seen(each) or each in _LAYOUT else f"[U+{ord(each):04X}]" for each in text)


def is_copyable(command: str) -> bool:
    """Whether a reader sees every character of `command`, so that pasting runs what the page shows."""
    return all(map(_is_seen, command))


def words(name: str) -> str:
    """The name of a check as words."""
    return name.removeprefix("test_").replace("_", " ")


def _is_seen(character: str) -> bool:
    return character.isprintable() and not _BLANK.match(character)


def _finalized(value: Any) -> Any:
    return visible(value) if type(value) is str else value
