"""A scratch cluster with a pgBackRest stanza, to prove backups of an archived cluster."""

from lab.pgbackrest.site import Site, missing

__all__ = ["Site", "missing"]
