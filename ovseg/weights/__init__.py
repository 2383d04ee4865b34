"""Weights: which files, from where, under which licence; found, checked, converted once."""

from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import CARDS, WeightCard
from ovseg.weights.listing import WeightStatus, list_weights
from ovseg.weights.store import WeightStore

__all__ = ["CARDS", "WeightCard", "WeightStatus", "WeightStore", "default_cache_dir", "list_weights"]
