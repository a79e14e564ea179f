"""A run of checks, from collection to report."""
