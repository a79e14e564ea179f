"""How commands reach a host."""
