"""Maintenance of a database while it serves: vacuum, statistics, indexes, partitions, sessions.

psql does it on the host, as the declared maintenance role. No state is kept beside the server: indexes that are being
built have names that say so, and the next run reads off the server what a killed one left.
"""
