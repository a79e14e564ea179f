"""python -m lab.shop: the shop, up and down."""

import argparse
import sys

from lab import cli
from lab.shop.stack import ShopLab


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit code."""
    options = _parser().parse_args(arguments)
    return cli.guarded(lambda: cli.run(ShopLab(), options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.shop", description=__doc__, epilog=cli.EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start or heal the shop")
    commands.add_parser("down", help="stop the shop").add_argument(
        "--purge", action="store_true", help="also delete its files and keys"
    )
    commands.add_parser("status", help="show which parts work")
    cli.add_traffic(commands.add_parser("traffic", help="send orders to the shop"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
