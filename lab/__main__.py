"""python -m lab: the platform in miniature, up and down."""

import argparse
import sys
from pathlib import Path

from lab import cli, demo, demo_history
from lab.instance import Lab
from lab.layout import DEFAULT_API_PORT, DEFAULT_HOME, DEFAULT_POSTGRES_PORT


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit code."""
    options = _parser().parse_args(arguments)
    return cli.guarded(lambda: _command(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__, epilog=cli.EPILOG)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--home", type=Path, default=DEFAULT_HOME, help="folder of the lab (default: .lab)")
    common.add_argument("--api-port", type=int, help="default: the last used, then 43000")
    common.add_argument("--postgres-port", type=int, help="default: the last used, then 45432")
    common.add_argument("--relay-port", type=int, help="default: the last used, then 43001")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", parents=[common], help="start or heal the lab")
    commands.add_parser("down", parents=[common], help="stop the lab").add_argument(
        "--purge", action="store_true", help="also delete the data"
    )
    commands.add_parser("demo", help="start the lab, run the daily round, stop the lab")
    commands.add_parser("demo-history", help="two simulated months of reports, from a recording of the lab")
    commands.add_parser("status", parents=[common], help="show which parts work")
    cli.add_traffic(commands.add_parser("traffic", parents=[common], help="send requests to the API"))
    return parser


def _command(options: argparse.Namespace) -> int:
    if options.command == "demo":
        return demo.run(Lab(DEFAULT_HOME, DEFAULT_API_PORT, DEFAULT_POSTGRES_PORT))
    if options.command == "demo-history":
        return demo_history.run(Lab(DEFAULT_HOME, DEFAULT_API_PORT, DEFAULT_POSTGRES_PORT))
    return cli.run(Lab(options.home, options.api_port, options.postgres_port, options.relay_port), options)


if __name__ == "__main__":
    sys.exit(main())
