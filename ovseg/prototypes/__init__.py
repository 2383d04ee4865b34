"""Prototypes: vectors that say what a class, and what is around it, looks like; kept in a bank."""
