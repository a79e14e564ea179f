"""Which hosts there are, and what each declares."""
