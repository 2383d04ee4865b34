"""The Hugging Face hub: what its cache on this machine holds, and the one place that downloads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ovseg.errors import WeightsUnavailable
from ovseg.files import file_sha256
from ovseg.weights.cards import HubFiles, WeightCard
from ovseg.weights.hash_record import HashRecord

WEIGHT_NAMES = (
    "open_clip_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)
"""Weights of a repository or folder, the best first."""

_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""Folders of a diffusers pipeline that features and images need."""


def hub_cache() -> Path:
    """Where the hub's client keeps files: ``HF_HUB_CACHE``, ``HF_HOME/hub``, or its default."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache)
    if home := os.environ.get("HF_HOME"):
        return Path(home) / "hub"
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether the user has shut the hub off (``HF_HUB_OFFLINE``, which ``--offline`` sets)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def find_in_cache(at: HubFiles, lock: HashRecord) -> Path | None:
    """Path of the first file if all files are in the hub's cache; asks no network."""
    folder = _snapshot(at, lock)
    if folder is None:
        return None
    files = at.files or lock.files(at) or chosen_files(_relative(folder), weights=at.weights)
    if not files or not all((folder / file).is_file() for file in files):
        return None
    return folder / files[0]


def snapshot_revision(path: Path) -> str:
    """The commit in the path of a cached file, ``…/snapshots/<commit>/file``."""
    parts = path.parts
    return parts[len(parts) - 1 - parts[::-1].index("snapshots") + 1]


def snapshot_folder(path: Path) -> Path:
    """The folder of the commit that a cached file belongs to."""
    parts = path.parts
    return Path(*parts[: len(parts) - 1 - parts[::-1].index("snapshots") + 2])


def chosen_files(names: Sequence[str], *, weights: bool = True) -> tuple[str, ...]:
    """Of all files of a repository those that ovseg can read: weights first, then what describes them.

    Args:
        names: Of all its files.
        weights: Whether weights are wanted, or only what describes a model.
    """
    beside = [n for n in names if "/" not in n and n.endswith((".json", ".txt", ".model"))]
    if not weights:
        return tuple(beside)
    if "model_index.json" in names:  # a diffusers pipeline
        inside = [n for n in names if n.partition("/")[0] in _PARTS and n.count("/") == 1]
        parts = [
            n for n in inside
            if n.endswith(("model.safetensors", "diffusion_pytorch_model.safetensors")) and ".fp16" not in n
        ]  # fmt: skip
        parts.sort(key=lambda n: (not n.startswith("unet/"), n))
        described = [n for n in inside if n.endswith((".json", ".txt"))]
        return (*parts, "model_index.json", *described) if parts else ()
    best = next((n for n in WEIGHT_NAMES if n in names), None)
    return (best, *beside) if best else ()


def download(card: WeightCard, cache_dir: Path, on_message: Callable[[str], None] = lambda _: None) -> Path:
    """Fetch a card's files into the hub's cache, check their hashes, and record what no source gave.

    Args:
        card: Weights on the hub.
        cache_dir: ovseg's cache, for the lock file.
        on_message: Called with the name of each file before it is fetched.

    Raises:
        WeightsUnavailable: The hub is shut off, out of reach or wants a licence accepted, or gave a file of
            another hash than it should have.
    """
    if not isinstance(card.at, HubFiles):
        raise WeightsUnavailable(f"weights {card.name} do not come from the hub: run  {card.install}")
    if is_offline():
        raise WeightsUnavailable(
            f"cannot download {card.name} offline: allow the hub (HF_HUB_OFFLINE=0) and run  {card.install}"
        )
    from huggingface_hub import HfApi, hf_hub_download, hf_hub_url

    at, lock = card.at, HashRecord(cache_dir)
    endpoint = os.environ.get("HF_ENDPOINT") or None
    revision = lock.revision(at) or at.revision or "main"
    files = at.files or lock.files(at)
    with _answers(card, at):
        api = HfApi(endpoint=endpoint)
        if not files or len(revision) != 40:
            info = api.model_info(at.repo, revision=revision)
            revision = str(info.sha)
            names = [entry.rfilename for entry in info.siblings or ()]
            files = files or chosen_files(names, weights=at.weights)
    if not files:
        wanted = f"{', '.join(WEIGHT_NAMES[:2])} or a diffusers pipeline" if at.weights else "config.json"
        raise WeightsUnavailable(f"{at} has nothing that ovseg reads: {wanted}")
    hashes: dict[str, str] = {}
    for file in files:
        on_message(file)
        with _answers(card, at):
            url = hf_hub_url(at.repo, file, revision=revision, endpoint=endpoint)
            said = api.get_hf_file_metadata(url=url)
            path = Path(
                hf_hub_download(at.repo, file, revision=revision, cache_dir=hub_cache(), endpoint=endpoint)
            )
        hashes[file] = file_sha256(path)
        pinned = card.sha256 if file == files[0] else None
        expected = pinned or lock.sha256(at, file) or _lfs(said.etag)
        if expected and hashes[file] != expected:
            raise WeightsUnavailable(
                f"{file} of {at} has SHA-256 {hashes[file][:12]}…, expected is {expected[:12]}…: delete"
                f" {path} and download it again"
            )
    lock.record(at, revision, hashes)
    return hub_cache() / _folder(at) / "snapshots" / revision / files[0]


@contextmanager
def _answers(card: WeightCard, at: HubFiles) -> Iterator[None]:
    """Whatever the hub or the network says, as one line for the user."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except GatedRepoError as error:
        raise WeightsUnavailable(
            f"{at} wants its licence accepted: do so at https://huggingface.co/{at.repo}, set HF_TOKEN, then"
            f" run  {card.install}"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise WeightsUnavailable(f"the hub has no {at}, or wants HF_TOKEN for it") from error
    except Exception as error:
        # The library through which the hub's client speaks HTTP differs from version to version.
        library = type(error).__module__.partition(".")[0]
        if not isinstance(error, OSError) and library not in (
            "huggingface_hub",
            "requests",
            "httpx",
            "httpx2",
        ):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsUnavailable(f"cannot download {at}: {reason}") from error


def _folder(at: HubFiles) -> str:
    return f"models--{at.repo.replace('/', '--')}"


def _lfs(etag: str | None) -> str | None:
    """The SHA-256 that the hub gives as the tag of large files; small ones have another kind of tag."""
    return etag if etag and len(etag) == 64 else None


def _snapshot(at: HubFiles, lock: HashRecord) -> Path | None:
    """Folder of the repository's files at the wanted revision, if the cache has it."""
    repo = hub_cache() / _folder(at)
    revision = lock.revision(at) or at.revision or "main"
    reference = repo / "refs" / revision
    if reference.is_file():
        revision = reference.read_text(encoding="utf-8").strip()
    folder = repo / "snapshots" / revision
    return folder if folder.is_dir() else None


def _relative(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
