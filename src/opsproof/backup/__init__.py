"""Making, verifying, copying and pruning backups of databases and clusters.

A dump is a set of files with a common name, `DATABASE_20261125T021500Z`: the name of the declared backup and the
start time in UTC. The suffixes::

    .dump           output of pg_dump in the custom format, compressed by pg_dump with zstd
    .dump.zst       uncompressed custom format, wrapped in zstd, if pg_dump was built without zstd
    .globals.sql    output of pg_dumpall --globals-only: roles, memberships and settings
    .manifest.json  contents and checksums of the other files (`manifest`); renamed last

Each file is first written as `….partial`. **A set counts as a backup only once its manifest exists**; files
without a manifest are leftovers, which the next backup removes.
"""
