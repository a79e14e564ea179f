"""Online maintenance of a database: vacuum, statistics, indexes, partitions, sessions.

psql runs on the host as the declared maintenance role. All state is on the server: an unfinished index has a reserved
name, from which the next run recognizes the leftovers of a killed run.
"""
