"""When a round may judge what was just broken or healed."""

import time
from dataclasses import dataclass


@dataclass
class Settling:
    """Time that must pass before the next round; what several faults need passes for all of them at once."""

    ready: float = 0.0

    def needs(self, seconds: float) -> None:
        """The next round begins so many seconds from now at the earliest."""
        self.ready = max(self.ready, time.monotonic() + seconds)

    def wait(self) -> None:
        """Sleeps until the next round may begin."""
        time.sleep(max(0.0, self.ready - time.monotonic()))
