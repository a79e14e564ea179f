"""Storage of backups: dump folders, pgBackRest repositories, off-site copies, manifests and retention."""
