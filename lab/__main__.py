"""python -m lab: the platform in miniature, up and down."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from lab import cli, demo
from lab.instance import Lab
from lab.layout import DEFAULT_API_PORT, DEFAULT_HOME, DEFAULT_POSTGRES_PORT
from lab.progress import say_aloud


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
    requests = commands.add_parser("traffic", parents=[common], help="send requests to the API")
    requests.add_argument("--requests", type=int, default=400, help="at most that many (default: 400)")
    requests.add_argument("--seconds", type=float, default=2.0, help="at most that long (default: 2)")
    return parser


def _command(options: argparse.Namespace) -> int:
    if options.command == "demo":
        return demo.run(Lab(DEFAULT_HOME, DEFAULT_API_PORT, DEFAULT_POSTGRES_PORT))
    return _run(Lab(options.home, options.api_port, options.postgres_port), options)


def _run(lab: Lab, options: argparse.Namespace) -> int:
    if options.command == "up":
        lab.up()
    elif options.command == "down":
        lab.down(purge=options.purge)
    elif options.command == "traffic":
        answers = lab.traffic(seconds=options.seconds, requests=options.requests)
        say_aloud(", ".join(f"{status}: {count}" for status, count in sorted(answers.items())))
    else:
        return _say_status(lab)
    return 0


def _say_status(lab: Lab) -> int:
    status = lab.status()
    for name, works in asdict(status).items():
        say_aloud(f"{name:<10} {'up' if works else 'down'}")
    return 0 if status.up else 1


if __name__ == "__main__":
    sys.exit(main())
