"""Files that a host must not lose."""

from pydantic import Field

from opsproof.inventory.resources import Resource


class Data(Resource):
    """A file or folder that a backup must cover, by its path; or the reason why none does."""

    no_backup: str = Field("", description="reason why no backup covers the path")
