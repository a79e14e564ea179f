"""Stubs for programs unusable in the lab because they need systemd."""

from pathlib import Path

from lab.layout import Layout

PROGRAMS = ("timedatectl",)


def link(layout: Layout) -> None:
    """Links the stubs into the lab's bin folder."""
    for name in PROGRAMS:
        place = layout.bin / name
        place.unlink(missing_ok=True)
        place.symlink_to(Path(__file__).parent / name)
