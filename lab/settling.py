"""When the next round may judge changes just made to the lab."""

import time
from dataclasses import dataclass


@dataclass
class Settling:
    """The earliest time of the next round; delays requested by several faults run at the same time."""

    ready: float = 0.0

    def needs(self, seconds: float) -> None:
        """Delays the next round until at least `seconds` from now."""
        self.ready = max(self.ready, time.monotonic() + seconds)

    def wait(self) -> None:
        """Sleeps until the next round may begin."""
        time.sleep(max(0.0, self.ready - time.monotonic()))
