"""Objects without names: normalized cut on patch features, many objects, and a score that can say no."""
