"""Connections to PostgreSQL databases."""
