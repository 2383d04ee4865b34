from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg.errors import InputError, UsageError
from ovseg.vocabulary import ClassSpec, parse_classes, read_classes_file

WORD = st.text(st.characters(categories=("L", "N"), include_characters="-'"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["cat"], [ClassSpec("cat")]),
        (["cat, dog"], [ClassSpec("cat"), ClassSpec("dog")]),
        (["cat", "dog"], [ClassSpec("cat"), ClassSpec("dog")]),
        (["cat, dog,"], [ClassSpec("cat"), ClassSpec("dog")]),
        (["cat; dog;"], [ClassSpec("cat"), ClassSpec("dog")]),
        (["cat\ndog\n"], [ClassSpec("cat"), ClassSpec("dog")]),
        (["  potted \t plant "], [ClassSpec("potted plant")]),
        (["sofa=couch"], [ClassSpec("sofa", synonyms=("couch",))]),
        (["sofa = sofa, couch , couch, settee"], [ClassSpec("sofa", synonyms=("couch", "settee"))]),
        (
            ["sofa=couch, day bed; cat, dog"],
            [ClassSpec("sofa", synonyms=("couch", "day bed")), ClassSpec("cat"), ClassSpec("dog")],
        ),
        (
            ["cat, dog, sofa=sofa,couch; lamp"],
            [ClassSpec("cat"), ClassSpec("dog"), ClassSpec("sofa", synonyms=("couch",)), ClassSpec("lamp")],
        ),
        (["sofa=couch, "], [ClassSpec("sofa", synonyms=("couch",))]),
        ([], []),
        (["", " ; "], []),
    ],
)
def test_forms_of_classes(values, expected):
    assert list(parse_classes(values)) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("cat,,dog", "empty class name in 'cat,,dog': give every class a name"),
        (",", "empty class name in ',': give every class a name"),
        ("cat, =couch", "empty class name in 'cat, =couch': give every class a name"),
        ("=couch", "empty class name in '=couch': give every class a name"),
        ("sofa=", "empty synonym in 'sofa=': write name=word,word"),
        ("sofa=,", "empty synonym in 'sofa=,': write name=word,word"),
        (
            "sofa=couch, car=auto",
            "two classes in 'sofa=couch, car=auto': end the first with a semicolon, as in 'a=b,c; d=e'",
        ),
        ("sofa=couch,,settee", "empty synonym in 'sofa=couch,,settee': write name=word,word"),
    ],
)
def test_empty_names_are_refused_in_one_line(value, message):
    with pytest.raises(UsageError) as caught:
        parse_classes([value])
    assert str(caught.value) == message


@given(st.lists(st.tuples(WORD, st.lists(WORD, max_size=3), st.sampled_from(",;\n")), max_size=5))
def test_what_is_written_is_read(entries):
    # A class with synonyms needs the semicolon; one without may end with a comma just as well.
    text = "".join(f"{name}={','.join(words)};" if words else f"{name}{end}" for name, words, end in entries)
    expected = [
        ClassSpec(name, synonyms=tuple(w for w in dict.fromkeys(words) if w != name))
        for name, words, _ in entries
    ]
    assert list(parse_classes([text])) == expected


def test_a_file_has_a_class_a_line(tmp_path: Path):
    path = tmp_path / "names.txt"
    path.write_text(
        "\ufeff# animals\ncat\r\n\n  polar bear = white bear, ice bear\n# dog\nrat, really\n", "utf-8"
    )
    assert read_classes_file(path) == (
        ClassSpec("cat"),
        ClassSpec("polar bear", synonyms=("white bear", "ice bear")),
        ClassSpec("rat, really"),
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=rf"^cannot read class names from {tmp_path}/none.txt: "):
        read_classes_file(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(InputError, match=r"^cannot read class names from .*latin.txt: .*utf-8"):
        read_classes_file(tmp_path / "latin.txt")
