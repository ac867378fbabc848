"""What a chains file says, and what is said of one that makes no sense."""

from pathlib import Path

import pytest

from bandmate_bridge.commands.chains import EXAMPLE
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
    assert (step.effect, step.parameters) == ("Gain", {"gain_db": -3.0})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[guitr]]\neffect = "Gain"', ["'guitr'", "did you mean 'guitar'"]),
        (
            '[[guitar]]\n\neffect = "Reverbe"',
            ["guitar, step 1", "'Reverbe'", "did you mean 'Reverb'"],
        ),
        (
            '[[bass]]\neffect = "Reverb"\nroom_sice = 1',
            ["bass, step 1", "did you mean 'room_size'"],
        ),
        ('[[bass]]\neffect = "Gain"\ngain_db = 1e9', ["bass, step 1", "gain_db", "-120 to 60 dB"]),
        ('[[bass]]\neffect = "Gain"\ngain_db = nan', ["bass, step 1", "-120 to 60 dB"]),
        (
            '[[bass]]\neffect = "Gain"\ngain_db = "loud"',
            ["bass, step 1", "'loud'", "-120 to 60 dB"],
        ),
        ('[[bass]]\neffect = "Gain"\ngain_db = true', ["bass, step 1", "True", "-120 to 60 dB"]),
        ('[[mix]]\neffect = "LadderFilter"\nmode = "LPF13"', ["mix, step 1", "'LPF12'"]),
        ('[[mix]]\neffect = "BrickwallLimiter"\ntrue_peak = 1', ["mix, step 1", "true or false"]),
        ('[[mix]]\neffect = "Convolution"', ["mix, step 1", "impulse_response", "audio file"]),
        ('[[mix]]\neffect = "Convolution"\nimpulse_response = "no.wav"', ["mix, step 1", "no.wav"]),
        ('[[mix]]\neffect = "Gain"\nplugin = "x"', ["mix, step 1", "effect and plugin"]),
        ("[[mix]]\ngain_db = 3", ["mix, step 1", "none (gain_db)"]),
        ("[[mix]]\neffect = 3", ["mix, step 1", "expected a name in quotes"]),
        ("mix = 3", ["[[mix]]"]),
        ("mix = [3]", ["mix, step 1", "3 is no step"]),
        ('[[mix]]\nplugin = "no.vst3"', ["mix, step 1", "no.vst3 does not exist"]),
        ('[[mix]]\nplugin = "."\ngain_db = 3', ["mix, step 1", "'gain_db'", "parameters ="]),
        ('[[mix]]\nplugin = "."\nparameters = 3', ["mix, step 1", "a table"]),
        ('[[mix]]\nplugin = "."\nparameters = { a = [] }', ["mix, step 1", "number or text"]),
        ('[[mix]]\nplugin = "."\nraw_state = "%"', ["mix, step 1", "base64"]),
        ('[[mix]]\nplugin = "."\npreset = "."\nraw_state = ""', ["mix, step 1", "not both"]),
        ('[[mix]]\nseparate = "gitar"', ["mix, step 1", "did you mean 'guitar'"]),
        ('[[mix]]\nseparate = "guitar"\ngain_db = 3', ["mix, step 1", "'gain_db'"]),
        ("tail_seconds = -1", ["0 to 600 s"]),
        ("\ntail_second = 1", ["did you mean 'tail_seconds'"]),
        ('[[mix]]\neffect = "Gain"\n[[mix]]\neffect = "Gian"', ["mix, step 2", "'Gian'", "'Gain'"]),
        ("[[mix", ["not valid TOML", "line 1"]),
    ],
)
def test_what_is_wrong_is_named_with_its_step(text: str, words: list[str]) -> None:
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
