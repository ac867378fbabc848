"""The rules of a model's conditioning, and that a kind nobody knows is an error."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from bandmate_server.errors import BundleError
from bandmate_server.model.conditioning import CONDITIONINGS, rules_of
from bandmate_server.model.graphs import graph_shapes
from bandmate_server.spec import MINI, PAPER, Conditioning


def test_every_kind_that_a_spec_may_name_has_rules() -> None:
    assert set(CONDITIONINGS) == set(get_args(Conditioning))


def test_presets_differ_in_what_the_network_is_given() -> None:
    assert rules_of(MINI).takes_stems
    assert not rules_of(PAPER).takes_stems


def test_a_new_kind_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONDITIONINGS, "notes", replace(rules_of(MINI), takes_stems=False))
    kind: Any = "notes"
    inputs, _ = graph_shapes("denoiser", replace(MINI, conditioning=kind))
    assert "known" not in inputs


def test_an_unknown_kind_is_refused() -> None:
    kind: Any = "smell"
    with pytest.raises(BundleError, match="'smell': expected one of learnt, mixture"):
        rules_of(replace(MINI, conditioning=kind))
