"""python -m lab.shop: the shop, up and down."""

import sys

from lab import cli
from lab.shop.stack import ShopLab

PARSER = cli.parser("lab.shop", __doc__, "the shop", "its files and keys", "send orders to the shop")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit code."""
    options = PARSER.parse_args(arguments)
    return cli.guarded(lambda: cli.run(ShopLab(), options))


if __name__ == "__main__":
    sys.exit(main())
