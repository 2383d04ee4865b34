"""Matching: features of patches against what the user named, into scores. Pure functions over tensors."""

from ovseg.matching.appearance import PatchAppearance, appearance_evidence
from ovseg.matching.fusion import Evidence, fuse
from ovseg.matching.prompts import PromptTable, prompt_table

__all__ = ["Evidence", "PatchAppearance", "PromptTable", "appearance_evidence", "fuse", "prompt_table"]
