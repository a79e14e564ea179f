"""The lab's exception."""


class LabError(Exception):
    """A command of the lab failed; the message is a single line, ending with advice on what to do."""
