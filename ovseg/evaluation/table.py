"""Many evaluations in one table: each figure with all that it depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ovseg.errors import InputError, reason
from ovseg.evaluation.results import RESULTS
from ovseg.evaluation.wording import percent, span

__all__ = ["read_results", "results_table"]


def read_results(folder: Path) -> dict[str, Any]:
    """The results.json of an evaluation.

    Raises:
        InputError: There is none, or it is not one of a segmentation evaluation.
    """
    path = folder / RESULTS
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not {"miou", "protocol", "hashes"} <= results.keys():
            raise ValueError("no miou, protocol or hashes in it")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"cannot read {path} as results of ovseg evaluate: {reason(error)}") from error
    return results


def results_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """One line a run as Markdown, in percent, and the notes below."""
    lines = [
        "| data set | images | mIoU | 95% interval | aAcc | boundary | by | protocol | vocabulary | commit |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- | --- |",
    ]
    notes: list[str] = []
    for run in runs:
        name = _name(run)
        patches = [
            name,
            str(run["images"]),
            percent(run["miou"]),
            span(run["intervals"]["miou"]),
            percent(run["pixel_accuracy"]),
            percent(run["boundary_iou"]),
            str(run["predictor"].get("preset", run["predictor"]["kind"])),
            run["protocol"]["name"],
            f"{run['vocabulary']['source']} `{run['hashes']['vocabulary'][:12]}`",
            f"`{(run['ovseg']['commit'] or 'unknown')[:12]}`",
        ]
        lines.append(f"| {' | '.join(patches)} |")
        notes += [f"- {name}: {note}" for note in run["notes"]]
    return "\n".join([*lines, *(["", *dict.fromkeys(notes)] if notes else [])]) + "\n"


def _name(run: Mapping[str, Any]) -> str:
    """The data set, or the folder that it is."""
    dataset = run["dataset"]
    return str(dataset["layout"]) if dataset["name"] == "folder" else str(dataset["name"])
