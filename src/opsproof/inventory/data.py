"""Declared data: files and folders to back up."""

from pydantic import Field

from opsproof.inventory.resources import Resource


class Data(Resource):
    """A file or folder to back up, by path. `no_backup` is the reason for data without a backup."""

    no_backup: str = Field("", description="reason why no backup covers the path")
