"""Prove that a production host is healthy, backed up, lean, safe and has room to grow."""
