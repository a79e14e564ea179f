"""Fetches the tests' packages from registries, before some tests run without network.

Packages stay in the caches of pip and npm, and beside the tests. `python -m tests.harness.fetch shop` fetches only
the Debian packages of the shop.
"""

import sys

from lab import node
from lab.layout import DEFAULT_HOME, Layout
from lab.progress import say_aloud
from lab.shop import missing, system
from tests.facts import clusters
from tests.harness import browser, debian
from tests.zoo import clients, regression


def main() -> None:
    """Fetches the packages of the lab's application, and the tested PostgreSQL releases with their tests."""
    layout = Layout(DEFAULT_HOME / "tests")
    layout.create()
    if "shop" in sys.argv:
        if not missing():
            system.fetch(layout.home, say_aloud)
        return
    node.prepare(layout, say_aloud)
    clusters.fetch()
    browser.axe()
    debian.fetch()
    clients.fetch()
    regression.folder()


if __name__ == "__main__":
    main()
