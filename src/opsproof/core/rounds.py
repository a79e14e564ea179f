"""The rounds of checks."""

ROUNDS = {
    "daily": "is the host healthy this morning",
    "weekly": "are logs rotated and backups restorable",
    "monthly": "is the database lean and fast",
    "quarterly": "is the host safe, with room to grow",
    "predeploy": "may a deployment start",
    "postdeploy": "did the deployment leave the host healthy",
}
"""The question of each round, by the name of the marker."""
