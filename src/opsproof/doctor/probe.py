"""The result of a probe."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """A need, by its `name`; `wrong` is the fault, empty if the need is met, and `mend` the command."""

    name: str
    wrong: str = ""
    mend: str = ""

    def __str__(self) -> str:
        """The probe as a line."""
        return f"{self.name}: {self.wrong or 'good'}" + (f": {self.mend}" if self.wrong and self.mend else "")
