"""python -m lab.docker: the platform in miniature on Docker, up and down."""

import argparse
import sys

from lab import cli
from lab.docker.stack import DockerLab


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit code."""
    options = _parser().parse_args(arguments)
    return cli.guarded(lambda: cli.run(DockerLab(), options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.docker", description=__doc__, epilog=cli.EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start or heal the lab")
    commands.add_parser("down", help="stop the lab").add_argument(
        "--purge", action="store_true", help="also delete data, images and keys"
    )
    commands.add_parser("status", help="show which parts work")
    cli.add_traffic(commands.add_parser("traffic", help="send requests to the API"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
