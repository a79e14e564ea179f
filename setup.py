"""Puts checks/ and actions/ into the wheel, inside the package: all further settings are in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("checks", "actions")
LIMITS = Path("inventory/metachat.toml")
"""The limits that `opsproof init` copies into a new inventory."""


class BuildWithChecks(build_py):
    """The package with checks, actions and limits; an editable installation uses the folders of the clone."""

    def run(self) -> None:
        """Copies the folders too."""
        super().run()
        if not self.editable_mode:
            for source in [LIMITS, *(path for folder in FOLDERS for path in sorted(Path(folder).rglob("*.py")))]:
                target = Path(self.build_lib, "opsproof", source)
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))


setup(cmdclass={"build_py": BuildWithChecks})
