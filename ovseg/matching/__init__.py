"""Matching: features of patches against names and prototypes, into scores. Pure functions over tensors.

In the order of the method: ``text_scores``, then ``prototype_scores``, then ``fusion``.
"""
