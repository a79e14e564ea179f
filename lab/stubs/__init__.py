"""Programs that stand in for what cannot run in the lab; only what needs systemd is here."""

from pathlib import Path

from lab.layout import Layout

PROGRAMS = ("timedatectl",)


def link(layout: Layout) -> None:
    """Puts the stand-ins into the lab's bin folder."""
    for name in PROGRAMS:
        place = layout.bin / name
        place.unlink(missing_ok=True)
        place.symlink_to(Path(__file__).parent / name)
