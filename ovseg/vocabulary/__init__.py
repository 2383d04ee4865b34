"""What the user names: classes with synonyms and attributes, and the words for everything else."""

from ovseg.vocabulary.class_spec import ClassSpec
from ovseg.vocabulary.model import ClassNames, Vocabulary, as_vocabulary
from ovseg.vocabulary.parse import parse_classes, read_classes_file
from ovseg.vocabulary.store import load_vocabulary, vocabulary_names

__all__ = [
    "ClassNames",
    "ClassSpec",
    "Vocabulary",
    "as_vocabulary",
    "load_vocabulary",
    "parse_classes",
    "read_classes_file",
    "vocabulary_names",
]
