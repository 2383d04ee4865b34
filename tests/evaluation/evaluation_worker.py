"""Run by the kill tests as a process of its own: evaluates a folder with the colour segmenter.

Usage: ``evaluation_worker.py ROOT OUT [HALT]``; after HALT images it stands still.
"""

from __future__ import annotations

import sys
from pathlib import Path

from evaluation_fakes import ColourSegmenter, vocabulary_of

import ovseg.evaluation.runner as runner
from ovseg.evaluation.bootstrap import BootstrapSettings
from ovseg.evaluation.datasets.folder import load_folder
from ovseg.evaluation.predictions import SegmenterPredictor
from ovseg.evaluation.protocols import protocol_for

root, out = Path(sys.argv[1]), Path(sys.argv[2])
halt = int(sys.argv[3]) if len(sys.argv) > 3 else None
runner.code_commit = lambda: None  # the checkout may move on between two runs
data = load_folder(root, background=True)
vocabulary = vocabulary_of(data.foreground)
print("ready", flush=True)
runner.evaluate(
    data,
    SegmenterPredictor(ColourSegmenter(seconds=0.01, halt=halt), vocabulary, data),
    vocabulary,
    protocol_for("ovseg", "folder", background=True),
    out,
    settings=runner.EvaluationSettings(
        batch_size=3, save_predictions=True, bootstrap=BootstrapSettings(replicates=100)
    ),
)
