"""Declared log files: state on the host, and the host programs to rotate, compress, remove and empty them."""
