"""Restoring a backup: always into a new database, beside whatever serves.

Databases on the server, by what their names add to that of the declared one::

    metachat                                 serves
    metachat_drill_20261125T021500Z          of a drill; thrown away
    metachat_restoring_20261125T021500Z      of a restore, until it takes the place of the one that serves
    metachat_before_20261125T021500Z         the one that served before, kept until it is dropped

The first line of a database's comment is ours while it begins with `opsproof: `, and says how far a restore
has come (`server.Mark`): the next run reads off the server what a killed one left, and needs no file for it.
"""
