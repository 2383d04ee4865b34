"""Weights: which files, from where, under which licence; found, checked, converted once."""

from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import CARDS, WeightCard
from ovseg.weights.hub_cards import STABLE_DIFFUSION
from ovseg.weights.listing import WeightStatus, list_weights, weight_status
from ovseg.weights.store import WeightStore

__all__ = [
    "CARDS",
    "STABLE_DIFFUSION",
    "WeightCard",
    "WeightStatus",
    "WeightStore",
    "default_cache_dir",
    "list_weights",
    "weight_status",
]
