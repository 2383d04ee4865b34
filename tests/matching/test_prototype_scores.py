from __future__ import annotations

import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ovseg.matching.prototype_scores import PrototypeMatcher
from ovseg.prototypes import PrototypeBank, PrototypeTable, SupportRecord, SupportRegion
from ovseg.vocabulary import ClassSpec

CPU = torch.device("cpu")


def bank_of(
    vectors: torch.Tensor,
    classes: list[int],
    *,
    foreground: list[bool] | None = None,
    supports: list[int] | None = None,
    spaces: tuple[str, ...] = ("look",),
) -> PrototypeBank:
    """A bank whose prototype i comes from support image ``supports[i]``."""
    count = len(vectors)
    supports = supports or list(range(count))
    table = {
        space: PrototypeTable(
            space=space,
            identity={},
            vectors=F.normalize(vectors, dim=1).numpy().astype(np.float32),
            classes=np.array(classes, np.int32),
            kinds=np.ones(count, np.uint8),
            foreground=np.array(foreground or [True] * count),
            regions=np.arange(count, dtype=np.int32),
        )
        for space in spaces
    }
    specs = tuple(ClassSpec(f"class {index}") for index in range(max(classes) + 1))
    records = tuple(
        SupportRecord(0, {"name": str(i), "sha256": f"{i:064}"}, (2, 2), (1, 1))
        for i in range(max(supports) + 1)
    )
    regions = tuple(SupportRegion(support, np.ones((1, 1), np.bool_)) for support in supports)
    return PrototypeBank(specs, table, records, regions)


def test_a_class_is_as_near_as_its_nearest_prototype() -> None:
    axes = torch.eye(4)
    bank = bank_of(torch.stack([axes[0], axes[1], axes[2]]), [0, 0, 1])
    matcher = PrototypeMatcher(bank, [0, 1], ["look"], CPU)
    space = matcher.spaces["look"]
    # The centre is the mean of the classes' mean directions, by hand.
    centre = (F.normalize(axes[0] + axes[1], dim=0) + axes[2]) / 2
    assert torch.allclose(space.centre, centre)
    patches = matcher.prepare({"look": axes[:3]})
    match = matcher.scores(patches)
    assert match is not None
    assert match.classes.tolist() == [0, 1]
    direct = F.normalize(axes[:3] - centre, dim=1)
    both = direct @ direct.T
    expected = torch.stack([both[:, :2].max(dim=1).values, both[:, 2]], dim=1)
    assert torch.allclose(match.similarity, expected, atol=1e-6)
    assert match.background is None
    assert float(match.upper_bound.max()) == -1


def test_winners_are_rows_of_the_bank() -> None:
    axes = torch.eye(4)
    # In the table the classes come mixed, with background between.
    bank = bank_of(
        torch.stack([axes[2], axes[3], axes[0], axes[1]]), [1, 0, 0, 0], foreground=[True, False, True, True]
    )
    matcher = PrototypeMatcher(bank, [0, 1], ["look"], CPU)
    patches = matcher.prepare({"look": axes})
    rows, scores = matcher.nearest_prototypes(patches, torch.tensor([0, 0, 1, -1]))["look"]
    assert rows.tolist() == [2, 3, 0, 1]
    assert torch.allclose(scores, torch.ones(4), atol=1e-5)


def test_a_support_image_is_no_witness_for_itself() -> None:
    axes = torch.eye(4)
    bank = bank_of(torch.stack([axes[0], axes[1], axes[2]]), [0, 0, 1], supports=[0, 1, 2])
    matcher = PrototypeMatcher(bank, [0, 1], ["look"], CPU)
    patches = matcher.prepare({"look": axes[:1]})
    whole, less = matcher.scores(patches), matcher.scores(patches, excluded_supports=[0])
    assert whole is not None
    assert less is not None
    assert whole.similarity[0, 0] > 0.99
    assert less.similarity[0, 0] < 0.5
    gone = matcher.scores(patches, excluded_supports=[0, 1])
    assert gone is not None
    assert gone.classes.tolist() == [1]


def test_spaces_are_averaged_and_classes_not_asked_for_left_out() -> None:
    axes = torch.eye(4)
    bank = bank_of(axes[:3], [0, 1, 2], spaces=("one", "two"))
    matcher = PrototypeMatcher(bank, [1, -1, 0], ["one", "two", "three"], CPU)
    assert matcher.present == (0, 1)
    match = matcher.scores(matcher.prepare({"one": axes[:1], "two": axes[2:3]}))
    assert match is not None
    # One space sees bank class 0 (here 1), the other bank class 2 (here 0).
    assert torch.allclose(match.similarity[0, 0], match.similarity[0, 1], atol=1e-6)


def test_a_bank_without_the_classes_has_nothing_to_say() -> None:
    bank = bank_of(torch.eye(4)[:2], [0, 1])
    matcher = PrototypeMatcher(bank, [-1, -1], ["look"], CPU)
    assert matcher.present == ()
    assert matcher.scores({}) is None


def test_the_index_finds_what_the_whole_comparison_finds() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(300, 32, generator=draw), dim=1)
    vectors = (centres[:, None] + 0.1 * torch.randn(300, 8, 32, generator=draw)).flatten(0, 1)
    bank = bank_of(vectors, [i // 8 for i in range(2400)])
    patches = centres[torch.randint(0, 300, (200,), generator=draw)] + 0.05 * torch.randn(
        200, 32, generator=draw
    )
    exact = PrototypeMatcher(bank, list(range(300)), ["look"], CPU)
    quick = PrototypeMatcher(bank, list(range(300)), ["look"], CPU, exact=100)
    one, two = exact.scores(exact.prepare({"look": patches})), quick.scores(quick.prepare({"look": patches}))
    assert one is not None
    assert two is not None
    assert len(two.classes) < 300
    best = one.classes[one.similarity.argmax(dim=1)]
    assert torch.equal(best, two.classes[two.similarity.argmax(dim=1)])
    assert (two.upper_bound <= two.similarity.max(dim=1).values + 1e-6).all()


@pytest.mark.slow
def test_ten_thousand_classes_stay_usable() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(10_000, 128, generator=draw), dim=1)
    vectors = (centres[:, None] + 0.05 * torch.randn(10_000, 8, 128, generator=draw)).flatten(0, 1)
    bank = bank_of(vectors, [i // 8 for i in range(80_000)])
    shown = torch.randint(0, 10_000, (12,), generator=draw)
    patches = centres[shown.repeat(100)] + 0.02 * torch.randn(1200, 128, generator=draw)
    quick = PrototypeMatcher(bank, list(range(10_000)), ["look"], CPU)
    classifier_for = quick.prepare({"look": patches})
    quick.scores(classifier_for)
    begun = time.perf_counter()
    match = quick.scores(classifier_for)
    fast = time.perf_counter() - begun
    assert match is not None
    assert len(match.classes) <= 256
    found = match.classes[match.similarity.argmax(dim=1)]
    assert (found == shown.repeat(100)).float().mean() > 0.99
    exact = PrototypeMatcher(bank, list(range(10_000)), ["look"], CPU, exact=10**9)
    begun = time.perf_counter()
    exact.scores(exact.prepare({"look": patches}))
    slow = time.perf_counter() - begun
    print(f"10000 classes, 80000 prototypes, 1200 cells: {fast:.2f} s, all compared {slow:.2f} s")
    assert fast < slow
