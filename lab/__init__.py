"""The platform in miniature: a real API and worker under PM2, and a real PostgreSQL, without root or Docker."""

from lab.errors import LabError
from lab.instance import Lab

__all__ = ["Lab", "LabError"]
