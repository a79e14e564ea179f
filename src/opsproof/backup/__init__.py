"""Backups of databases: what lies in a folder of a host, and what may be done with it.

A backup is a set of files with one name, `DATABASE_20261125T021500Z`: the declared backup's name and
the time, in UTC, at which it began. Its suffixes::

    .dump           what pg_dump wrote, in its custom format, compressed inside with zstd
    .dump.zst       the same, uncompressed inside and wrapped in zstd, where the client has no zstd of its own
    .globals.sql    what pg_dumpall --globals-only wrote: roles, their memberships and settings
    .manifest.json  what the others hold (`manifest`); the last to get its name

Each is written under `….partial` first. **A set is a backup when its manifest is there**, and no sooner;
what has no manifest is a leftover, whatever its size, and the next backup removes it.
"""
