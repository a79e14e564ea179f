"""How queries reach a database."""
