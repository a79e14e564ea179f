"""What the lab raises."""


class LabError(Exception):
    """The lab cannot do what was asked; the message is one line that ends in what to do."""
