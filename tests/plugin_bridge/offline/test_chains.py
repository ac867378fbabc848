"""What a chains file says, and what is said of one that makes no sense."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmate_bridge.commands.chains import EXAMPLE
from bandmate_bridge.host import toml_lines
from bandmate_bridge.host.chains import parse_chains, read_chains
from bandmate_bridge.host.effects import EFFECTS
from bandmate_server.errors import ChainError

HERE = Path()


def test_a_file_says_steps_with_all_their_parameters() -> None:
    chains = parse_chains(EXAMPLE, HERE)
    assert chains.tail_seconds == 2.0
    assert chains.stems == ("drums", "guitar")
    assert [step.title for step in chains.steps["guitar"]] == ["Distortion", "Reverb"]
    reverb = chains.steps["guitar"][1]
    assert reverb.parameters["room_size"] == 0.4
    assert reverb.parameters["damping"] == EFFECTS["Reverb"].parameters["damping"].default


def test_an_empty_list_is_a_chain_without_steps() -> None:
    assert parse_chains("bass = []", HERE).steps == {"bass": ()}


def test_steps_can_be_written_inline() -> None:
    (step,) = parse_chains('other = [{effect = "Gain", gain_db = -3}]', HERE).steps["other"]
    assert (step.effect, step.parameters, step.line) == ("Gain", {"gain_db": -3.0}, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[guitr]]\neffect = "Gain"', ["line 1", "'guitr'", "did you mean 'guitar'"]),
        ('[[guitar]]\n\neffect = "Reverbe"', ["line 3", "'Reverbe'", "did you mean 'Reverb'"]),
        ('[[bass]]\neffect = "Reverb"\nroom_sice = 1', ["line 3", "did you mean 'room_size'"]),
        ('[[bass]]\neffect = "Gain"\ngain_db = 1e9', ["line 3", "gain_db", "-120 to 60 dB"]),
        ('[[bass]]\neffect = "Gain"\ngain_db = nan', ["line 3", "-120 to 60 dB"]),
        ('[[bass]]\neffect = "Gain"\ngain_db = "loud"', ["line 3", "'loud'", "-120 to 60 dB"]),
        ('[[bass]]\neffect = "Gain"\ngain_db = true', ["line 3", "True", "-120 to 60 dB"]),
        ('[[mix]]\neffect = "LadderFilter"\nmode = "LPF13"', ["line 3", "'LPF12'"]),
        ('[[mix]]\neffect = "BrickwallLimiter"\ntrue_peak = 1', ["line 3", "true or false"]),
        ('[[mix]]\neffect = "Convolution"', ["line 1", "impulse_response", "audio file"]),
        ('[[mix]]\neffect = "Convolution"\nimpulse_response = "no.wav"', ["line 3", "no.wav"]),
        ('[[mix]]\neffect = "Gain"\nplugin = "x"', ["line 1", "effect and plugin"]),
        ("[[mix]]\ngain_db = 3", ["line 1", "none (gain_db)"]),
        ("[[mix]]\neffect = 3", ["line 2", "expected a name in quotes"]),
        ("mix = 3", ["line 1", "[[mix]]"]),
        ("mix = [3]", ["line 1", "3 is no step"]),
        ('[[mix]]\nplugin = "no.vst3"', ["line 2", "no.vst3 does not exist"]),
        ('[[mix]]\nplugin = "."\ngain_db = 3', ["line 3", "'gain_db'", "parameters ="]),
        ('[[mix]]\nplugin = "."\nparameters = 3', ["line 3", "a table"]),
        ('[[mix]]\nplugin = "."\nparameters = { a = [] }', ["line 3", "number or text"]),
        ('[[mix]]\nplugin = "."\nraw_state = "%"', ["line 3", "base64"]),
        ('[[mix]]\nplugin = "."\npreset = "."\nraw_state = ""', ["line 4", "not both"]),
        ('[[mix]]\nseparate = "gitar"', ["line 2", "did you mean 'guitar'"]),
        ('[[mix]]\nseparate = "guitar"\ngain_db = 3', ["line 3", "'gain_db'"]),
        ("tail_seconds = -1", ["line 1", "0 to 600 s"]),
        ("\ntail_second = 1", ["line 2", "did you mean 'tail_seconds'"]),
        ("[[mix", ["not valid TOML", "line 1"]),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, words: list[str]) -> None:
    with pytest.raises(ChainError) as found:
        parse_chains(text, HERE, "my.toml")
    message = str(found.value)
    assert message.startswith("my.toml")
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "chains.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ChainError, match=r"chains\.toml"):
        read_chains(path)


def test_paths_start_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "room.wav").write_bytes(b"")
    (tmp_path / "x.vst3").mkdir()
    path = tmp_path / "chains.toml"
    path.write_text(
        '[[mix]]\neffect = "Convolution"\nimpulse_response = "room.wav"\n'
        '[[mix]]\nplugin = "x.vst3"\n'
    )
    room, plugin = read_chains(path).steps["mix"]
    assert room.parameters["impulse_response"] == str(tmp_path / "room.wav")
    assert plugin.plugin == str(tmp_path / "x.vst3")


def test_the_fingerprint_follows_values_and_files_but_not_the_layout(tmp_path: Path) -> None:
    room = tmp_path / "room.wav"
    room.write_bytes(b"1")
    text = '[[mix]]\neffect = "Convolution"\nimpulse_response = "room.wav"\n'
    first = parse_chains(text, tmp_path).fingerprint()
    assert parse_chains("# hello\n\n" + text, tmp_path).fingerprint() == first
    assert parse_chains(text + "mix = 0.5", tmp_path).fingerprint() != first
    room.write_bytes(b"2")
    assert parse_chains(text, tmp_path).fingerprint() != first


def test_lines_of_keys_are_found_in_every_kind_of_toml() -> None:
    text = (
        "a = 1 # not b = 2\n"
        'b.c = """x = 1\n'
        'y = "2\\""""  # over two lines\n'
        "[t]\n"
        "'q k' = [\n"
        "  1, [2,\n"
        "  3], { u = 1, v.w = 'x,}' },\n"
        "]\n"
        "[[l]]\n"
        "[[l]]\n"
        "z = 1979-05-27\n"
        "[l.sub]\n"
        "k = 1\n"
    )
    lines = toml_lines.key_lines(text)
    expected: dict[toml_lines.Path, int] = {
        ("a",): 1,
        ("b", "c"): 2,
        ("t",): 4,
        ("t", "q k"): 5,
        ("t", "q k", 0): 6,
        ("t", "q k", 1): 6,
        ("t", "q k", 1, 1): 7,
        ("t", "q k", 2, "u"): 7,
        ("t", "q k", 2, "v", "w"): 7,
        ("l",): 9,
        ("l", 0): 9,
        ("l", 1): 10,
        ("l", 1, "z"): 11,
        ("l", 1, "sub", "k"): 13,
    }
    assert {path: lines.get(path) for path in expected} == expected
    assert ("y",) not in lines


@settings(deadline=None)
@given(st.integers(0, 30), st.sampled_from(["bass", "mix"]))
def test_the_line_is_right_however_much_is_above(above: int, target: str) -> None:
    text = "# effect = 'x'\n" * above + f'[[{target}]]\neffect = "Gain"\ngain = 1'
    with pytest.raises(ChainError, match=f"line {above + 3}: "):
        parse_chains(text, HERE)
