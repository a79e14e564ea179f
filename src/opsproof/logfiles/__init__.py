"""Log files as actions work on them: what lies on the host, and the programs that change it."""
