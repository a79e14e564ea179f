"""Commands on hosts, over ssh or locally."""
