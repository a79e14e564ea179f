"""The schedule of a host: entries for cron or systemd, the record of runs, and the claim of a controller."""
