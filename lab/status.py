"""The common part of the labs' status."""

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
