"""What a backup is, for those who read it and those who write it."""
