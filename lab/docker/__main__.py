"""python -m lab.docker: the platform in miniature on Docker, up and down."""

import argparse
import sys
from dataclasses import asdict

from lab import cli
from lab.docker.stack import DockerLab
from lab.progress import say_aloud


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    options = _parser().parse_args(arguments)
    return cli.guarded(lambda: _run(DockerLab(), options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.docker", description=__doc__, epilog=cli.EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the lab, or heal it")
    commands.add_parser("down", help="stop the lab").add_argument(
        "--purge", action="store_true", help="delete its data, images and keys too"
    )
    commands.add_parser("status", help="say what works")
    requests = commands.add_parser("traffic", help="send requests to the API")
    requests.add_argument("--requests", type=int, default=400, help="at most that many (default: 400)")
    requests.add_argument("--seconds", type=float, default=2.0, help="at most that long (default: 2)")
    return parser


def _run(lab: DockerLab, options: argparse.Namespace) -> int:
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


def _say_status(lab: DockerLab) -> int:
    status = lab.status()
    for name, works in asdict(status).items():
        say_aloud(f"{name:<10} {'up' if works else 'down'}")
    return 0 if status.up else 1


if __name__ == "__main__":
    sys.exit(main())
