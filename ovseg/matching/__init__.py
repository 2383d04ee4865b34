"""Matching: features of cells against what the user named, into scores. Pure functions over tensors."""

from ovseg.matching.fusion import Evidence, fuse
from ovseg.matching.looks import Looks, look_evidence
from ovseg.matching.prompts import PromptTable, prompt_table

__all__ = ["Evidence", "Looks", "PromptTable", "fuse", "look_evidence", "prompt_table"]
