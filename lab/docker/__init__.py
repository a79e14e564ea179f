"""The platform in miniature on Docker: a Debian server reached over SSH, and real databases in containers."""

from lab.docker.stack import DockerLab
from lab.docker.status import Status

__all__ = ["DockerLab", "Status"]
