"""What of a lab works at a moment: what the labs' own answers have in common."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Working:
    """Whether each part works; the parts are the fields of a subclass."""

    @property
    def up(self) -> bool:
        """Whether everything works."""
        return all(asdict(self).values())

    @property
    def down(self) -> bool:
        """Whether nothing runs."""
        return not any(asdict(self).values())
