"""Support: pictures that show what a class looks like, retrieved, generated or given."""
