"""Words that every part shares: units, metrics, limits, verdicts, errors."""
