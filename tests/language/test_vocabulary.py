"""The field's other words: each is answered by a form that the language really has."""

from __future__ import annotations

import re

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.layers import LAYERS
from bneck_cli.language import vocabulary
from bneck_cli.language.syntax import STRUCTURES

FORMS = {word: form for form, words in vocabulary._BY_FORM.items() for word in words.split()}


def hint_of(net: str) -> str:
    """Return the hint that a net gets."""
    with pytest.raises(BneckError) as caught:
        bneck_cli.analyze(f"input: 64 x 32 x 32\nnet: {net}\n")
    return caught.value.hint


@pytest.mark.parametrize("form", vocabulary._BY_FORM)
def test_a_form_is_a_spec(form: str) -> None:
    """Every form that a hint shows can be analysed as it stands, on what its kind takes."""
    shape = {"embed": "1 x 32", "transpose": "64 x 32", "lstm": "64 x 32", "gru": "64 x 32"}.get(
        form.split(maxsplit=1)[0], "64 x 32 x 32"
    )
    assert bneck_cli.analyze(f"input: {shape}\nnet: {form}\n").outputs


@pytest.mark.parametrize("word", sorted(FORMS))
def test_a_word_means_its_form(word: str) -> None:
    """A name of the field is answered by its form, in capitals and with a trailing 2d as well; none is a layer here."""
    assert word not in LAYERS
    for written in (word, word.capitalize(), f"{word}2d"):
        if vocabulary._plain(written) not in LAYERS:
            assert hint_of(written).startswith("write")
            assert hint_of(written).endswith(f" `{FORMS[word]}`")


def test_structures_and_options_are_those_of_the_language() -> None:
    """What a structure or an option is called here exists, and what it is called elsewhere does not."""
    options = {field.name for kind in LAYERS.values() for field in kind.fields}
    assert set(vocabulary._STRUCTURES) <= set(STRUCTURES)
    assert set(vocabulary._OPTIONS) <= options
    others = {word for words in vocabulary._STRUCTURES.values() for word in words.split()}
    assert not others & set(STRUCTURES)


@pytest.mark.parametrize("name", ["model.onnx", "yolov3.CFG", "deploy.prototxt", "net.py"])
def test_a_model_of_another_tool_is_named(name: str) -> None:
    """A file that is no spec is refused by what it is, whether it is there or not."""
    with pytest.raises(BneckError, match=re.escape(f"{name} is ")):
        bneck_cli.analyze(name)
