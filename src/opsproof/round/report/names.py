"""The names of the files of a run."""

import datetime

NEXT = "<!-- next page -->"
"""The place in a page for the link to the next page of its round; text from hosts and inventories is escaped."""


def stem(started: float, cadence: str) -> str:
    """The name of the page and the XML file of a run without a suffix, from its start and its round."""
    moment = datetime.datetime.fromtimestamp(started).astimezone().strftime("%Y-%m-%d_%H-%M-%S.%f")[:-3]
    return f"{moment}_{''.join(c if c.isalnum() else '-' for c in cadence)}"
