"""Flags of the commands that build banks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ovseg.cli.common import option
from ovseg.support.pool.config import RetrievalConfig

RETRIEVAL = RetrievalConfig()
MARGIN = RETRIEVAL.margin or 0.0


Source = Annotated[
    str,
    option(
        "--source",
        help="Where support images come from: folder, retrieval (from a pool), diffusion, or auto"
        " (from the pool what it holds, the rest generated).",
    ),
]
Support = Annotated[
    Path | None,
    option(
        "--support",
        help="For source folder: SUPPORT/CLASS/*.jpg, with NAME.mask.png, masks/NAME.png or NAME.marks.json"
        " (boxes, points, scribbles) beside them.",
    ),
]
Pool = Annotated[Path | None, option("--pool", help="For retrieval and auto: a pool (see ovseg pool build).")]
Photos = Annotated[
    list[Path],
    option("--photos", help="Where the pool's folder lies now, if it was moved; once for each folder."),
]
RetrievalMargin = Annotated[
    float,
    option(
        "--retrieval-margin",
        help="For retrieval and auto: least margin by which a photo of the pool must show its class"
        " more than any other word.",
    ),
]
Shots = Annotated[
    int, option("--shots", help="Support images a class at most; 32 by default where they are generated.")
]
Output = Annotated[Path | None, option("--output", "-o", help="Bank to write.")]
Overwrite = Annotated[bool, option("--overwrite", help="Replace another bank that is there.")]
Allow = Annotated[
    Path | None,
    option("--allow", help="File of support images to use only: a name, pattern or SHA-256 a line."),
]
Deny = Annotated[Path | None, option("--deny", help="File of support images not to use, likewise.")]
Cosegment = Annotated[
    bool,
    option("--cosegment/--no-cosegment", help="Whether the images of a class are compared with each other."),
]
Around = Annotated[
    bool,
    option("--around/--no-around", help="Whether what is around a class makes background prototypes."),
]
Parts = Annotated[int, option("--parts", help="Most parts (k-means clusters) a class.")]
Clean = Annotated[
    float,
    option("--clean", help="Cosine to another class above which a background prototype is dropped."),
]
