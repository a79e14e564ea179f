"""A scratch cluster with a stanza of pgBackRest: what backups of an archived cluster are proven on."""

from lab.pgbackrest.site import Site, missing

__all__ = ["Site", "missing"]
