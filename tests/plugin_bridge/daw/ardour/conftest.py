"""The real Ardour on a virtual display, driven as a musician would: by actions, keys and clicks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from pythonosc.osc_message_builder import OscMessageBuilder

from bandmate_bridge.daw import ardour_scripts
from bandmate_bridge.daw.ardour import install
from bandmate_bridge.daw.daw import Setup

TOOLS = ("ardour7-lua", "Xvfb", "xdotool")
PATIENCE = 120.0  # seconds: the machine may be busy
SUPERCLOCK = 282_240_000  # ticks a second, in session files
DRIVER = Path(__file__).parent / "driver.lua"
NEW_SESSION = """
local rate = tonumber (os.getenv ("RATE"))
local session = assert (create_session (os.getenv ("FOLDER"), "song", rate))
session:save_state ("", false, false, false, false, false)
session:close ()
quit ()
"""
READ_FILES = """
local session = assert (load_session (os.getenv ("FOLDER"), "song"))
for route in session:get_tracks ():iter () do
    for region in route:to_track ():playlist ():region_list ():iter () do
        print (region:to_audioregion ():source (0):to_filesource ():path ())
    end
end
quit ()
"""
# `bandmate serve --ensure --workdir W --allow F` where no model is to be had but a tiny one.
STAND_IN = """#!/bin/sh
[ "$1 $2 $3 $5" = "serve --ensure --workdir --allow" ]
if [ -e "{folder}/broken" ]; then echo "there is no such model" >&2; exit 1; fi
pid=$(grep -o '"pid": [0-9]*' "$4/server.json" | cut -d' ' -f2)
if [ -z "$pid" ] || ! kill -0 $pid; then
    rm -f "$4/server.json"
    setsid {python} -m bandmate_bridge.cli serve --port 0 --workdir "$4" --allow "$6" \\
        --model {model} --device cpu --threads 1 >"{folder}/started.log" 2>&1 &
    while [ ! -e "$4/server.json" ]; do sleep 0.05; done
fi
"""
CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour>
  <Config>
    <Option name="hide-dummy-backend" value="0"/>
    <Option name="try-autostart-engine" value="1"/>
    <Option name="osc-port" value="{port}"/>
    <Option name="default-session-parent-dir" value="{parent}"/>
    <Option name="discover-plugins-on-start" value="0"/>
    <Option name="use-lxvst" value="0"/>
    <Option name="use-vst3" value="0"/>
    <Option name="periodic-safety-backups" value="0"/>
  </Config>
  <Extra>
    <AudioMIDISetup><EngineStates>
      <State backend="None (Dummy)" driver="Normal Speed" device="Silence" input-device=""
        output-device="" sample-rate="{rate}" buffer-size="1024" n-periods="0" input-latency="0"
        output-latency="0" lm-input="" lm-output="" active="1" use-buffered-io="0"
        midi-option="No MIDI I/O" lru="1"><MIDIDevices/></State>
    </EngineStates></AudioMIDISetup>
  </Extra>
  <ControlProtocols>
    <Protocol name="Open Sound Control (OSC)" active="1" debugmode="0" address-only="1"
      remote-port="8000" banksize="0" striptypes="31" feedback="0" gainmode="0"
      send-page-size="0" plug-page-size="0"/>
  </ControlProtocols>
</Ardour>
"""


def wait_for(what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Return the first true thing that `look` gives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"after {seconds:.0f} s still no {what}")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Clip:
    """A region as the saved session has it."""

    position: int  # samples
    frames: int
    files: tuple[tuple[Path, int], ...]  # a file and a channel of it, for each of its own
    fades: tuple[bool, bool]
    name: str = ""
    muted: bool = False

    def sound(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return its samples (frames, channels)."""
        read = [(soundfile.read(path, always_2d=True)[0], channel) for path, channel in self.files]
        return np.stack([sound[:, channel] for sound, channel in read], axis=1)


class Server:
    """`bandmate serve` on a model."""

    def __init__(self, folder: Path, environment: dict[str, str], model: str) -> None:
        self.folder, self.environment, self.model = folder, environment, model
        self.workdir = folder / "work"
        self.process: subprocess.Popen[str] | None = None
        self.held: list[int] = []

    def start(self) -> None:
        command = ["serve", "--port", "0", "--workdir", str(self.workdir), "--allow"]
        options = [str(self.folder), "--model", self.model, "--device", "cpu", "--threads", "1"]
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bandmate_bridge.cli", *command, *options, "--json"],
                env=self.environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline())["port"]

    def command(self) -> Path:
        """Write a `bandmate` program for this server's surroundings and return it."""
        program = self.folder / "bandmate"
        program.write_text(
            STAND_IN.format(python=sys.executable, folder=self.folder, model=self.model)
        )
        program.chmod(0o755)
        return program

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=PATIENCE)
            self.process = None

    def kill(self) -> None:
        """End the server as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)
        self.release()

    def hold(self) -> None:
        """Keep the workers from getting on."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        self.held = [int(pid) for path in children for pid in path.read_text().split()]
        assert self.held
        for pid in self.held:
            os.kill(pid, signal.SIGSTOP)

    def release(self) -> None:
        for pid in self.held:
            with contextlib.suppress(ProcessLookupError):  # Cancelling may have ended it.
                os.kill(pid, signal.SIGCONT)
        self.held = []

    def jobs(self) -> list[dict[str, Any]]:
        """Return the states of all jobs, oldest first."""
        paths = (self.workdir / "jobs").glob("*/state.json")
        states = [json.loads(path.read_text()) for path in paths]
        return sorted(states, key=lambda state: float(state["created"]))

    def mail(self, kind: str) -> set[str]:
        """Return the names in the mailbox that end so, without the end."""
        return {path.stem for path in (self.workdir / "inbox").glob(f"*.{kind}")}


class Ardour:
    """One session open in Ardour's window."""

    def __init__(
        self, folder: Path, rate: int, server: Server, display: str, command: Path | None
    ) -> None:
        self.folder, self.rate, self.server, self.command = folder, rate, server, command
        self.session = folder / "session"
        self.config = folder / "config" / "ardour7"
        self.port = _free_port()
        share = Path("/usr/share/ardour7")
        libraries = Path("/usr/lib/ardour7")
        self.environment = {
            **server.environment,
            "DISPLAY": display,
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(self.config.parent),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "BANDMATE_WORKDIR": str(server.workdir),
            "BANDMATE_TEST_DRIVER": str(folder / "driver.lua"),
            "NO_AT_BRIDGE": "1",
            "LC_ALL": "C.UTF-8",
            "GTK_PATH": f"/etc/ardour7:{libraries}",
            "LD_LIBRARY_PATH": str(libraries),
            "ARDOUR_DATA_PATH": str(share),
            "ARDOUR_CONFIG_PATH": "/etc/ardour7",
            "ARDOUR_DLL_PATH": str(libraries),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make a session, install our scripts as `bandmate daw install` does, and open it."""
        (self.folder / ".local" / "share").mkdir(parents=True)
        self._make_session()
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / ".a7").touch()  # no welcome window
        text = CONFIG.format(port=self.port, parent=self.folder, rate=self.rate)
        (self.config / "config").write_text(text)
        driver = ardour_scripts.with_scripts(None, [DRIVER.read_text()], [])
        (self.config / "ui_scripts").write_text(driver)
        install(Setup(self.config, self.server.workdir, self.command))
        program = next(Path("/usr/lib/ardour7").glob("ardour-7*"))
        with (self.folder / "ardour.log").open("wb") as log:
            self.process = subprocess.Popen(
                [program, "-a", "-n", self.session / "song.ardour"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        port = f":{self.port:04X} "
        tables = [Path("/proc/net/udp"), Path("/proc/net/udp6")]
        wait_for("OSC port", lambda: any(port in table.read_text() for table in tables))
        self.lua("print (Session:name ())")

    def _make_session(self) -> None:
        (self.folder / "new.lua").write_text(NEW_SESSION)
        subprocess.run(
            ["ardour7-lua", self.folder / "new.lua"],
            env={**self.environment, "FOLDER": str(self.session), "RATE": str(self.rate)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
        # A session has its own switch for OSC; the test needs OSC, bandmate does not.
        path, off = self.session / "song.ardour", 'name="Open Sound Control (OSC)" active="0"'
        path.write_text(path.read_text().replace(off, off.replace('"0"', '"1"')))

    def send(self, address: str, *texts: str) -> None:
        """Send OSC with string arguments to Ardour."""
        message = OscMessageBuilder(address)
        for text in texts:
            message.add_arg(text)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(message.build().dgram, ("127.0.0.1", self.port))

    def action(self, name: str) -> None:
        """Choose an entry of Edit > Lua Scripts."""
        slot = ardour_scripts.action_slots((self.config / "ui_scripts").read_text())[name]
        self.send("/access_action", f"LuaAction/script-{slot}")

    def lua(self, code: str) -> list[str]:
        """Run Lua inside Ardour and return the lines that it printed."""
        path, out = self.folder / "driver.lua", self.folder / "driver.lua.out"
        out.unlink(missing_ok=True)
        path.write_text(code)

        def answer() -> str | None:
            if path.exists():  # An early action is lost while the window opens.
                self.action("Test driver")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                if out.exists():
                    return out.read_text()
                time.sleep(0.02)
            assert not self.window("bandmate"), f"a message is open: {self.told()}"
            return None

        status, *lines = wait_for("answer from Ardour", answer).split("\n")
        assert status == "done", status
        return [line for line in lines if line]

    def import_sound(self, path: Path, position: int) -> None:
        """Put a file on a new track, at a position in samples, and wait until it is drawn."""
        self.lua(f"""
            local files = C.StringVector ()
            files:push_back ("{path}")
            Editor:do_import (files, Editing.ImportDistinctFiles, Editing.ImportAsTrack,
                ARDOUR.SrcQuality.SrcBest, ARDOUR.MidiTrackNameSource.SMFTrackName,
                ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore, Temporal.timepos_t ({position}),
                ARDOUR.PluginInfo (), ARDOUR.Track (), false)""")

    def select_regions(self, *names: str) -> None:
        """Select all regions on these tracks."""
        wanted = ", ".join(f'["{name}"] = true' for name in names)
        code = f"""
            local wanted, list, missing = {{ {wanted} }}, ArdourUI.SelectionList (), false
            for route in Session:get_tracks ():iter () do
                if wanted[route:name ()] then
                    for region in route:to_track ():playlist ():region_list ():iter () do
                        local view = Editor:regionview_from_region (region)
                        if view then list:push_back (view) else missing = true end
                    end
                end
            end
            Editor:access_action ("Common", "deselect-all") -- or an old range would count
            Editor:set_selection (list, ArdourUI.SelectionOp.Set)
            print (missing and "not drawn yet" or "selected")"""
        wait_for("regions drawn", lambda: self.lua(code) == ["selected"])

    def select_range(self, first: int, last: int, *names: str) -> None:
        """Select a time range, in samples, on these tracks."""
        self.select_regions(*names)
        self.lua(f"""
            Editor:access_action ("Editor", "select-from-regions")
            Editor:set_loop_range (
                Temporal.timepos_t ({first}), Temporal.timepos_t ({last}), "range")
            Editor:access_action ("Editor", "select-loop-range")""")
        chosen = self.lua("""
            local selection = Editor:get_selection ()
            print (selection.time:start_sample (), selection.time:end_sample ())
            for route in selection.tracks:routelist ():iter () do print (route:name ()) end""")
        assert chosen[0].split("\t") == [str(first), str(last)]
        assert set(chosen[1:]) == set(names)

    def tracks(self) -> list[str]:
        """Return the names of the tracks, from the top of the editor down."""
        return self.lua("""
            local routes = Session:get_tracks ():table ()
            table.sort (routes, function (a, b)
                return a:presentation_info_ptr ():order () < b:presentation_info_ptr ():order ()
            end)
            for _, route in ipairs (routes) do print (route:name ()) end""")

    def marks(self) -> list[str]:
        """Return the names of the marks on the timeline."""
        return self.lua("""
            for mark in Session:locations ():list ():iter () do print (mark:name ()) end""")

    def wait_for_tracks(self, *names: str) -> None:
        """Wait until there are tracks of these names and the mailbox is answered."""
        wait_for(f"tracks {names}", lambda: set(names) <= set(self.tracks()))
        wait_for("tracks in order", lambda: not self.server.mail("claimed"))

    def window(self, title: str) -> str | None:
        """Return the id of a visible window of this title, or None."""
        found = self.xdotool("search", "--onlyvisible", "--name", f"^{title}$").split()
        return found[0] if found else None

    def press(self, window: str, *keys: str) -> None:
        """Type into a window."""
        self.xdotool("windowfocus", "--sync", window)
        time.sleep(0.3)  # until it takes keys
        self.xdotool("key", *keys)

    def xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return done.stdout

    def message(self) -> str:
        """Wait for our message box, close it, and return what it said."""
        window = wait_for("message", lambda: self.window("bandmate"))
        self.press(window, "Return")
        wait_for("message closed", lambda: self.window("bandmate") is None)
        return self.told()

    def answer(self, title: str, *keys: str) -> None:
        """Wait for a dialog of ours, and press keys until it closes."""
        window = wait_for(title, lambda: self.window(title))
        self.press(window, *keys)
        wait_for("dialog closed", lambda: self.window(title) != window)

    def choose(self, title: str, entry: int) -> None:
        """Choose an entry of the dropdown that is the first row of a dialog, and press OK."""
        window = wait_for(title, lambda: self.window(title))
        time.sleep(0.3)
        shape = self.xdotool("getwindowgeometry", "--shell", window)
        width = int(shape.partition("WIDTH=")[2].split()[0])
        self.xdotool("mousemove", "--window", window, str(width - 60), "22", "click", "1")
        time.sleep(0.3)
        self.xdotool("key", *["Down"] * entry, "Return")
        self.answer(title, "alt+o")

    def told(self) -> str:
        """Return what the last message said."""
        log = self.config / "bandmate" / "messages.txt"
        return log.read_text().splitlines()[-1]

    def save(self) -> dict[str, list[Clip]]:
        """Save the session and return its clips, by track."""
        path = self.session / "song.ardour"
        before = path.stat().st_mtime_ns
        self.lua('Session:save_state ("", false, false, false, false, false)')
        wait_for("saved session", lambda: path.stat().st_mtime_ns != before)
        return saved_clips(path, self.rate)

    def files_when_moved(self, place: Path) -> list[str]:
        """Return the audio files of a copy of the session elsewhere, as Ardour finds them."""
        copy = shutil.copytree(self.session, place / self.session.name)
        (self.folder / "read.lua").write_text(READ_FILES)
        done = subprocess.run(
            ["ardour7-lua", self.folder / "read.lua"],
            env={**self.environment, "FOLDER": str(copy)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return done.stdout.splitlines()

    def quit(self) -> None:
        """Leave Ardour as a musician does; what it returns is not reliable (it may crash then)."""
        assert self.process is not None
        self.send("/access_action", "Common/Quit")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.kill()

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def saved_clips(path: Path, rate: int) -> dict[str, list[Clip]]:
    """Return the regions on each track of a session file."""
    root = ElementTree.parse(path).getroot()
    sources = {source.get("id"): source for source in root.iterfind("Sources/Source")}
    playlists = {each.get("id"): each for each in root.iterfind("Playlists/Playlist")}
    audio = path.parent / "interchange" / path.parent.name / "audiofiles"

    def clip(region: ElementTree.Element) -> Clip:
        frames, position = (int(part) for part in region.get("length", "")[1:].split("@a"))
        channels = range(int(region.get("channels", "1")))
        used = [sources[region.get(f"source-{channel}")] for channel in channels]
        files = tuple((audio / each.get("name", ""), int(each.get("channel", 0))) for each in used)
        ticks = SUPERCLOCK // rate
        assert position % ticks == 0
        assert frames % ticks == 0
        fades = region.get("fade-in-active") == "1", region.get("fade-out-active") == "1"
        name, muted = region.get("name", ""), region.get("muted") == "1"
        return Clip(position // ticks, frames // ticks, files, fades, name, muted)

    clips = {}
    for route in root.iterfind("Routes/Route"):
        playlist = playlists.get(route.get("audio-playlist"))
        if playlist is not None:
            clips[route.get("name", "")] = [clip(region) for region in playlist.iterfind("Region")]
    return clips


@pytest.fixture(scope="session")
def wait() -> Callable[..., Any]:
    """Return `wait_for(what, look)`."""
    return wait_for


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """Return a display that nobody looks at."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install ardour xvfb xdotool)")
    read, write = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    yield f":{number}"
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def served_model(fake_bundle: Path) -> str:
    """Return the model that the server runs: a tiny one."""
    return str(fake_bundle)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, served_model: str) -> Iterator[Server]:
    """Return a running server."""
    folder = tmp_path_factory.mktemp("ardour")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    running = Server(folder, {**kept, "OMP_NUM_THREADS": "1"}, served_model)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def held(server: Server) -> Iterator[Server]:
    """Keep the server's workers from getting on, until `release` or the end of the test."""
    server.hold()
    yield server
    server.release()


@pytest.fixture(scope="module")
def open_ardour(server: Server, display: str) -> Iterator[Callable[..., Ardour]]:
    """Return a function that opens Ardour with a new session at a rate.

    Its scripts start the server by a command, if one is given.
    """
    opened = []

    def start(rate: int, command: Path | None = None) -> Ardour:
        ardour = Ardour(server.folder / f"at-{rate}", rate, server, display, command)
        opened.append(ardour)
        ardour.start()
        return ardour

    yield start
    for ardour in opened:
        ardour.kill()
