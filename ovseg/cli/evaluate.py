"""``ovseg evaluate``: ovseg, or anybody's predictions, measured as the field measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from ovseg.cli.common import COMMAND_SETTINGS
from ovseg.cli.evaluate_options import EvaluateFlags, FolderBackground, Out, Root
from ovseg.cli.evaluate_other import compare, discovery, merge, retrieval, table
from ovseg.cli.flags import takes_flags
from ovseg.cli.launch import say, set_up_process
from ovseg.cli.plugins import setting_lines
from ovseg.cli.progress import shown_progress
from ovseg.cli.segmenting import drop_encodings, load_segmenter, read_bank, take_bank
from ovseg.cli.settings import resolve
from ovseg.errors import UsageError
from ovseg.evaluation.datasets.catalog import DATASETS, DatasetCard

if TYPE_CHECKING:
    from ovseg.cli.settings import Settings
    from ovseg.evaluation.datasets.base import Dataset
    from ovseg.evaluation.predictions import Predictor
    from ovseg.evaluation.protocols import EvaluationProtocol
    from ovseg.vocabulary import Vocabulary

__all__ = ["app"]


class _Datasets(TyperGroup):
    """The group of commands, which has one for each data set of a plug-in, too."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of ``--help``."""
        self._add_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command; plug-ins are looked up where ovseg itself has none of that name."""
        if cmd_name not in self.commands:
            self._add_plugins()
        return super().get_command(ctx, cmd_name)

    def _add_plugins(self) -> None:
        own, others = set(DATASETS.names(plugins=False)), dict(self.commands)
        for name, card in DATASETS:
            if name not in self.commands:
                alone = typer.Typer(rich_markup_mode=None)
                _dataset_command(alone, card)
                self.commands[name] = typer.main.get_command(alone)
        # Behind the other data sets, before what is none.
        behind = [name for name in others if name not in own and name not in DATASETS]
        self.commands = {k: c for k, c in self.commands.items() if k not in behind} | {
            k: others[k] for k in behind
        }


app = typer.Typer(
    cls=_Datasets, no_args_is_help=True, help="Measure ovseg, or any predictions, the way the field does."
)


@takes_flags
def dataset(ctx: typer.Context, root: Root, output: Out, flags: EvaluateFlags) -> None:
    """Evaluate on one data set; the command's name says which (see ``_register``)."""
    name = str(ctx.info_name)
    _evaluate(ctx, flags, output, lambda own: DATASETS.get(name).load(root, own.dataset.of(name)))


@takes_flags
def folder(
    ctx: typer.Context, root: Root, output: Out, background: FolderBackground = None, *, flags: EvaluateFlags
) -> None:
    """Your own data: images/, masks/ (index PNGs, 255 ignored) and classes.txt (a name a line).

    ovseg evaluate folder --root mydata --no-background -o scores
    """
    if background is None:
        raise UsageError("say --background (index 0 of the masks is background) or --no-background (a class)")

    def load(settings: Settings) -> Dataset:
        from ovseg.evaluation.datasets.folder import load_folder

        return load_folder(root, background=background)

    _evaluate(ctx, flags, output, load)


def _dataset_command(into: typer.Typer, card: DatasetCard) -> None:
    """Add the command of one data set."""
    text = (
        f"{card.title}\n\nThe root holds {card.tree}.\n\n"
        f"  ovseg evaluate {card.name} --root DIR -o scores\n\n"
        "Leaves results.json, results.md, results.html, confusion.csv and records.jsonl; the same command"
        " goes on where it was stopped."
    )
    own = DATASETS.about(card.name).settings
    if own is not None:
        text += "\n\nSettings of its own:\n\n" + "\n\n".join(
            f"  {line}" for line in setting_lines("dataset", card.name, own)
        )
    into.command(card.name, help=text, short_help=card.title, context_settings=COMMAND_SETTINGS)(dataset)


def _register() -> None:
    """One command a data set, in the order of the table, then the other kinds of evaluation."""
    for name in DATASETS.names(plugins=False):
        _dataset_command(app, DATASETS.get(name))
    others: dict[Callable[..., None], str] = {
        folder: "Your own images, masks and class names.",
        discovery: "Objects found without names: boxes and masks.",
        retrieval: "Images found for names.",
        merge: "Join the shards of one evaluation.",
        compare: "Paired comparison of two runs.",
        table: "One table of several evaluations.",
    }
    for command, title in others.items():
        app.command(command.__name__, short_help=title, context_settings=COMMAND_SETTINGS)(command)


def _evaluate(
    ctx: typer.Context, flags: EvaluateFlags, output: Path, load: Callable[[Settings], Dataset]
) -> None:
    """What ``dataset`` and ``folder`` share."""
    settings = resolve(ctx, config=flags.config, assignments=flags.assignments)
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    quiet = flags.quiet

    from ovseg.evaluation import leakage
    from ovseg.evaluation.protocols import protocol_for
    from ovseg.evaluation.results import markdown
    from ovseg.evaluation.runner import EvaluationSettings, evaluate

    data = load(settings)
    protocol = protocol_for(flags.protocol, data.card.name, background=data.has_background)
    data = data.limited(settings.run.limit)
    for note in data.notes():
        say(f"{data.card.name}: {note}", quiet=quiet)
    words = protocol.vocabulary(_vocabulary(settings, data), data.foreground)
    say(f"protocol {protocol.name}, vocabulary {words.source} ({words.hash[:12]})", quiet=quiet)
    report = None
    if flags.leakage:
        report = leakage.check(data, flags.leakage)
        if flags.strict:
            leakage.refuse(report)
        found = sum(len(pool["copies"]) for pool in report["pools"])
        say(f"leakage: {found} near copies of evaluation images", quiet=quiet)
    predictor, batch = _predictor(settings, data, words, protocol, flags.predictions, output, quiet=quiet)
    run = EvaluationSettings(
        batch_size=settings.run.batch_size or batch,
        shard=settings.run.shard,
        save_predictions=flags.save_predictions,
        overwrite=settings.run.overwrite,
    )
    try:
        with shown_progress(quiet=quiet) as progress:
            summary = evaluate(
                data, predictor, words, protocol, output,
                settings=run, leakage=report, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        say(f"interrupted: what is measured is in {output}; the same command goes on from there")
        raise
    drop_encodings(settings, output)
    if flags.as_json:
        typer.echo(json.dumps(summary.results))
    else:
        typer.echo(markdown(summary.results), nl=False)


def _vocabulary(settings: Settings, data: Dataset) -> Vocabulary:
    """The one that is asked for, that of the data set, or the folder's own names."""
    from ovseg.evaluation.datasets.folder import folder_classes
    from ovseg.vocabulary import ClassSpec, Vocabulary, load_vocabulary

    name = settings.vocabulary or data.card.vocabulary
    if name is not None:
        return replace(load_vocabulary(name), has_background=data.has_background)
    if data.card.name != "folder":
        names = tuple(map(ClassSpec, data.foreground))
        return Vocabulary(names, has_background=data.has_background, source=data.card.name)
    classes = folder_classes(data.root)[1 if data.has_background else 0 :]
    return Vocabulary(classes, has_background=data.has_background, source="classes.txt")


def _predictor(
    settings: Settings,
    data: Dataset,
    words: Vocabulary,
    protocol: EvaluationProtocol,
    folder: Path | None,
    out: Path,
    *,
    quiet: bool,
) -> tuple[Predictor[Any], int]:
    """The folder of predictions, or a segmenter; and how many images go at a time by default."""
    if folder is not None:
        from ovseg.evaluation.prediction_folder import FolderPredictor

        return FolderPredictor(folder, data, words, protocol), 8

    from ovseg.evaluation.predictions import SegmenterPredictor

    if protocol.crop is not None and (settings.bank is not None or settings.pool is not None):
        raise UsageError(f"protocol {protocol.name} takes no bank: use --protocol ovseg")
    segmenter = load_segmenter(settings, read_bank(settings), quiet=quiet)
    batch = 1 if str(segmenter.describe().get("device", "cpu")).startswith("cpu") else 8
    if protocol.crop is not None:
        from ovseg.pipeline.protocol_predictor import ProtocolPredictor

        return ProtocolPredictor(segmenter.encoders, words, data, protocol), batch
    take_bank(segmenter, settings, words, [sample.image for sample in data.samples], out, quiet=quiet)
    return SegmenterPredictor(segmenter, words, data), batch


_register()
