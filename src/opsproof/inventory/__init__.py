"""The inventory: hosts, their resources and limits."""
