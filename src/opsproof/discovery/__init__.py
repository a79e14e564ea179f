"""Drafts the inventory of a host, from fixed, read-only commands."""
