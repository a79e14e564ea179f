"""Stubs for programs that need systemd, or show or change more of the machine than the lab."""

from pathlib import Path

from lab.layout import Layout

PROGRAMS = ("timedatectl", "ss", "crontab")


def link(layout: Layout) -> None:
    """Links the stubs into the lab's bin folder."""
    for name in PROGRAMS:
        place = layout.bin / name
        place.unlink(missing_ok=True)
        place.symlink_to(Path(__file__).parent / name)
