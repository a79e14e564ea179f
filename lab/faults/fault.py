"""The registry of the embedded lab's faults."""

from lab import Lab
from lab.fault import Registry

__all__ = ["FAULTS", "fault", "seen"]

_REGISTRY: Registry[Lab] = Registry(names_causes=True)
FAULTS = _REGISTRY.faults
"""All faults."""
fault = _REGISTRY.fault


def seen(path: str, content: str) -> tuple[str, ...]:
    """A command prefix that replaces the content of `path` for the command."""
    script = f'f=$(mktemp) && printf "{content}" > "$f" && mount --bind "$f" {path} && rm "$f" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")
