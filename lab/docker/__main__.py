"""python -m lab.docker: the platform in miniature on Docker, up and down."""

import sys

from lab import cli
from lab.docker.stack import DockerLab

PARSER = cli.parser("lab.docker", __doc__, "the lab", "data, images and keys", "send requests to the API")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns the exit code."""
    options = PARSER.parse_args(arguments)
    return cli.guarded(lambda: cli.run(DockerLab(), options))


if __name__ == "__main__":
    sys.exit(main())
