"""Settings of the segmentation path: one part for each stage, which knows no other."""

from __future__ import annotations

import ast
import json
from collections import Counter
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import ovseg
from ovseg.config import SegmentConfig
from ovseg.errors import ConfigError

PACKAGE = Path(ovseg.__file__).parent
STAGES = ("encoding", "fusion", "bank", "region_pooling", "refinement")


def test_each_setting_has_one_name_and_one_stage() -> None:
    config = SegmentConfig()
    assert tuple(f.name for f in fields(config) if is_dataclass(getattr(config, f.name))) == STAGES
    names = Counter(f.name for stage in STAGES for f in fields(getattr(config, stage)))
    names.update(f.name for f in fields(config))
    assert set(names.values()) == {1}
    assert all(getattr(config, stage) == type(getattr(config, stage))() for stage in STAGES)


def test_settings_are_changed_by_their_own_names() -> None:
    config = SegmentConfig().with_settings(image_size=336, refine="none", synonyms="max", keep_scores=True)
    assert config.encoding.image_size == 336
    assert config.refinement.refine == "none"
    assert config.fusion.synonyms == "max"
    assert config.keep_scores
    assert config.bank == SegmentConfig().bank
    with pytest.raises(ConfigError, match="unknown setting 'size'"):
        config.with_settings(size=3)
    with pytest.raises(ConfigError, match="image_size must be between 56 and 4096"):
        config.with_settings(image_size=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_patches", 15),
        ("affinity_scale", float("inf")),
        ("synonyms", "all"),
        ("attributes", -1.0),
        ("category_top_p", 0.0),
        ("thing_stuff_prior", float("nan")),
        ("prototype_weight", -0.5),
        ("background_score", "sky"),
        ("region_weight", 1.5),
        ("segments", 300),
        ("seed", -1),
        ("refine", "blur"),
        ("refine_side", 8),
        ("abstain", 2.0),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be"):
        SegmentConfig().with_settings(**{name: value})


def test_settings_are_written_as_json_has_them() -> None:
    about = SegmentConfig().with_settings(scales=(336, 448), window=(336, 224)).to_dict()
    assert json.loads(json.dumps(about)) == about
    assert about["encoding"]["window"] == [336, 224]


def test_no_stage_imports_the_settings_of_the_others() -> None:
    """Only the glue that runs all stages knows ``SegmentConfig``."""
    whole = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and any(
                alias.name == "SegmentConfig" for alias in node.names
            ):
                whole.add(path.relative_to(PACKAGE).as_posix())
    packages = ("matching/", "refinement/", "support/", "encoders/", "discovery/")
    assert {p for p in whole if p.startswith(packages)} == set()
    assert {p for p in whole if p.startswith("pipeline/") and "/benchmarks/" not in p} == {
        "pipeline/decide.py",
        "pipeline/segmenter.py",
    }
