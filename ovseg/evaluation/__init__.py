"""Measuring: labels against truth, the way the field does it, and saying exactly which way that was.

``datasets`` reads what lies on disk, ``predictions`` whatever is to be measured, ``record`` reduces one image
to counts, ``runner`` streams over a data set, ``summary`` turns counts into figures, ``results`` and ``page``
write them down. Metrics are pure functions over arrays.
"""
