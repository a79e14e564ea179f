"""Units, metrics, limits, verdicts and errors, shared by every layer."""
