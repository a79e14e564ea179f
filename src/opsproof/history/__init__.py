"""The SQLite history of past runs."""
