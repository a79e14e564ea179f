"""One run of checks, from its collection to its report."""
