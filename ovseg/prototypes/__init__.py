"""Prototypes: vectors that say what a class, and what is around it, looks like; kept in a bank."""

from typing import TYPE_CHECKING

from ovseg.lazy import lazy_exports

if TYPE_CHECKING:
    from ovseg.prototypes.bank import KINDS, PrototypeBank, PrototypeTable, SupportRecord, SupportRegion
    from ovseg.prototypes.clean import clean_background
    from ovseg.prototypes.config import PrototypeConfig
    from ovseg.prototypes.edit import check_fingerprints, merge_banks, select_classes, without_classes
    from ovseg.prototypes.file import load_bank, save_bank
    from ovseg.prototypes.make import SupportView, class_bank
    from ovseg.prototypes.text import text_table
else:
    # The help of the command line needs the configuration only, and not NumPy.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "KINDS": "ovseg.prototypes.bank",
            "PrototypeBank": "ovseg.prototypes.bank",
            "PrototypeConfig": "ovseg.prototypes.config",
            "PrototypeTable": "ovseg.prototypes.bank",
            "SupportRecord": "ovseg.prototypes.bank",
            "SupportRegion": "ovseg.prototypes.bank",
            "SupportView": "ovseg.prototypes.make",
            "check_fingerprints": "ovseg.prototypes.edit",
            "class_bank": "ovseg.prototypes.make",
            "clean_background": "ovseg.prototypes.clean",
            "load_bank": "ovseg.prototypes.file",
            "merge_banks": "ovseg.prototypes.edit",
            "save_bank": "ovseg.prototypes.file",
            "select_classes": "ovseg.prototypes.edit",
            "text_table": "ovseg.prototypes.text",
            "without_classes": "ovseg.prototypes.edit",
        },
    )

__all__ = [
    "KINDS",
    "PrototypeBank",
    "PrototypeConfig",
    "PrototypeTable",
    "SupportRecord",
    "SupportRegion",
    "SupportView",
    "check_fingerprints",
    "class_bank",
    "clean_background",
    "load_bank",
    "merge_banks",
    "save_bank",
    "select_classes",
    "text_table",
    "without_classes",
]
