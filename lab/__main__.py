"""python -m lab: the platform in miniature, up and down."""

import argparse
import sys
from pathlib import Path

from lab import cli, demo
from lab.instance import Lab
from lab.layout import DEFAULT_API_PORT, DEFAULT_HOME, DEFAULT_POSTGRES_PORT


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    options = _parser().parse_args(arguments)
    return cli.guarded(lambda: _command(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__, epilog=cli.EPILOG)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", type=Path, default=DEFAULT_HOME, help="folder of this lab (default: .lab)")
    common.add_argument("--api-port", type=int, help="default: the last one, then 43000")
    common.add_argument("--postgres-port", type=int, help="default: the last one, then 45432")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", parents=[common], help="start the lab, or heal it")
    commands.add_parser("down", parents=[common], help="stop the lab").add_argument(
        "--purge", action="store_true", help="delete its data too"
    )
    commands.add_parser("demo", help="start the lab, run the daily round on it, stop it")
    commands.add_parser("status", parents=[common], help="say what works")
    cli.add_traffic(commands.add_parser("traffic", parents=[common], help="send requests to the API"))
    return parser


def _command(options: argparse.Namespace) -> int:
    if options.command == "demo":
        return demo.run(Lab(DEFAULT_HOME, DEFAULT_API_PORT, DEFAULT_POSTGRES_PORT))
    return cli.run(Lab(options.home, options.api_port, options.postgres_port), options)


if __name__ == "__main__":
    sys.exit(main())
