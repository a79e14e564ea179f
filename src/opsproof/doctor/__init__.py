"""Reasons of unknown checks, and commands to remove the reasons."""
