"""Training of the world's models: one script a model, seeded, on a CPU or a GPU."""
