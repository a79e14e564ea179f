"""The command `opsproof`."""
