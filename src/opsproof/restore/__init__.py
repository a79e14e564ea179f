"""Restores of backups, always into a new database beside the live database.

Databases on the server::

    metachat                                 live
    metachat_drill_20261125T021500Z          made by a drill, then dropped
    metachat_restoring_20261125T021500Z      made by a restore, until the swap renames it to metachat
    metachat_comparing_20261125T021500Z      the definitions of an archive, while a restored database is compared
    metachat_before_20261125T021500Z         live before the swap; kept until --drop-old

Progress is stored in the database comment: a first line that begins with `opsproof: ` is a `server.DatabaseMark`.
The next run reads from the server how far a killed run came, and needs no state file.
"""
