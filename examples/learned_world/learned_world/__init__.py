"""A small world that models can learn in minutes: pictures, captions, masks, and models trained on them."""
