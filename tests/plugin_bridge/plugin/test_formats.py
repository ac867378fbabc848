"""The plug-in in its formats: VST3 in pedalboard, CLAP in a host of our own, LV2 by its data."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

NAMES = ("stems", "stems-multi", "part")
RATE, AT, LENGTH = 48_000, 12_345, 30_000

Noise = Callable[..., Any]


def vst3(plugins: Path, name: str) -> Any:
    """Return a plug-in loaded by pedalboard."""
    pedalboard = pytest.importorskip("pedalboard", reason="needs the extra `host`")
    return pedalboard.load_plugin(str(plugins / "vst3" / f"bandmate-{name}.vst3"))


@pytest.fixture
def found(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have plug-ins in this process find the user's folders."""
    for name in ("XDG_DATA_HOME", "BANDMATE_WORKDIR", "BANDMATE_PLUGIN_CONFIG"):
        monkeypatch.setenv(name, place.environment[name])


@pytest.mark.parametrize("name", NAMES)
def test_vst3_passes_the_track_and_names_its_parameters(
    plugins: Path, found: None, noise: Noise, name: str
) -> None:
    plugin = vst3(plugins, name)
    assert {"capture", "bypass", "status", "progress", "time_line"} <= set(plugin.parameters)
    assert plugin.status == "nothing captured"
    sound = noise(5_000).T
    for block in (1, 63, 1_024):
        assert np.array_equal(plugin.process(sound, RATE, buffer_size=block), sound)


def test_vst3_plays_stems_and_keeps_them_in_its_state(
    plugins: Path, found: None, server: Any, noise: Noise
) -> None:
    plugin, sound = vst3(plugins, "stems"), noise(LENGTH)
    track = np.zeros_like(sound.T)
    plugin.time_line = "since activation"
    plugin.capture = True
    plugin.process(sound.T, RATE)
    plugin.capture = False
    # What the plug-in reports (Status) reaches no parameter of pedalboard's, which runs no GUI.
    end = time.monotonic() + 120
    while not plugin.process(track, RATE).any():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert np.abs(plugin.process(track, RATE) - sound.T).max() < 1e-6
    plugin.solo_drums = True
    drums = plugin.process(track, RATE)
    state = plugin.raw_state
    server.stop()
    again = vst3(plugins, "stems")
    again.raw_state = state
    assert again.solo_drums
    assert np.array_equal(again.process(track, RATE), drums)


@pytest.fixture
def open_clap(open_host: Any, plugins: Path) -> Callable[[str], Any]:
    """Return a function that loads a .clap file into the headless host."""
    return lambda name: open_host(str(plugins / "clap" / f"bandmate-{name}.clap"), kind="clap")


@pytest.mark.parametrize("name", NAMES)
def test_clap_has_the_ports_and_parameters_of_its_variant(
    open_clap: Callable[[str], Any], name: str
) -> None:
    host = open_clap(name)
    about = host.say("about").split("|")
    assert about[0] == f"bandmate.{name}"
    ins = [line for line in about if line.startswith("in ")]
    outs = [line for line in about if line.startswith("out ")]
    assert all(line.endswith(" 2") for line in ins + outs), "every bus is stereo"
    assert (len(ins), len(outs)) == {"stems": (1, 1), "stems-multi": (1, 7), "part": (5, 1)}[name]
    assert {"capture", "dpf_bypass", "status", "progress"} <= set(about)
    host.close()


def test_clap_plays_stems_where_the_song_is_and_keeps_them(
    open_clap: Callable[[str], Any], place: Any, server: Any, noise: Noise
) -> None:
    host, sound = open_clap("stems"), noise(LENGTH)
    host.track(sound, AT)
    host.capture(AT, LENGTH)
    host.wait_for("ready")
    host.track(np.zeros((1, 2), np.float32), 0)
    assert np.abs(host.play(AT, LENGTH) - sound).max() < 1e-6
    host.set(solo_drums=1)
    drums = host.play(AT, LENGTH)
    host.stand()
    assert host.say("trapped") == "0 ", "DPF's wrapper keeps to the rules as well"
    host.say(f"save {place.folder / 'state'}")
    assert host.close() == ""
    server.stop()
    again = open_clap("stems")
    again.track(np.zeros((1, 2), np.float32), 0)
    again.say(f"load {place.folder / 'state'}")
    assert np.array_equal(again.play(AT, LENGTH), drums)


def test_clap_stands_random_changes(
    open_clap: Callable[[str], Any], server: Any, noise: Noise
) -> None:
    host = open_clap("part")
    host.track(noise(100_000), 0)
    assert host.say("fuzz 2 300 part strength seed take new_take source_gain dpf_bypass") == "ok"
    host.close()


@pytest.mark.parametrize("name", NAMES)
def test_lv2_data_is_valid(plugins: Path, name: str) -> None:
    if shutil.which("lv2info") is None:
        pytest.skip("not installed: lilv-utils")
    done = subprocess.run(
        ["lv2info", f"urn:bandmate:{name}"],
        env={**os.environ, "LV2_PATH": f"{plugins / 'lv2'}:/usr/lib/lv2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "error" not in done.stderr
    for word in ("http://lv2plug.in/ns/ext/state#interface", "capture", "lv2_enabled", "status"):
        assert word in done.stdout, word
    assert done.stdout.count("AudioPort") >= {"stems": 4, "stems-multi": 16, "part": 12}[name]
