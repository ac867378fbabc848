"""The process that holds a sound device: `python -m bandmate_bridge.sound.child REQUEST`.

PortAudio can hang for ever, when a JACK server dies under it for one; a process of its own can
be killed. The request is JSON: {"mode": "record" | "play" | "list", "device": name, number or
null, "channels": n, "rate": Hz or null}. Samples are float32, interleaved: recorded ones go to
stdout, those to play come from stdin. What happens is reported on stderr, in lines of JSON: open,
played (frames), lost (a block came too late), ended, devices, error (message).
"""

from __future__ import annotations

import contextlib
import ctypes.util
import json
import os
import queue
import signal
import sys
from typing import Any

BLOCK = 1024  # frames that are played at a time
AHEAD = 4  # blocks waiting to be played
JACK_NAME = b"bandmate"  # PortAudio keeps the pointer: it must live as long as the process
TICK = 0.1  # seconds between two notes of what has been played

NO_LIBRARY = (
    "the PortAudio library is missing: `apt-get install libportaudio2` on Debian and Ubuntu, "
    "`brew install portaudio` on macOS"
)
NO_PACKAGE = "sound devices need the package sounddevice: pip install 'bandmate[audio]'"
NO_DEVICE = (
    "there is no sound device to {what}. Start a JACK server (`jackd`, or PipeWire: put `pw-jack` "
    "before the command) or plug a device in; `bandmate capture --list` shows what there is"
)


def report(event: str, **facts: Any) -> None:
    """Write one event to the parent."""
    sys.stderr.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stderr.flush()


def explained(text: str, mode: str, rate: float | None, channels: int) -> str:
    """Return a sentence with a way out for what PortAudio says."""
    what = "record from" if mode == "record" else "play on"
    if "Error querying device -1" in text:
        return NO_DEVICE.format(what=what)
    if "Invalid sample rate" in text:
        return f"the sound device does not run at {rate:g} Hz: leave out --rate to take its own"
    if "Invalid number of channels" in text:
        return f"the sound device has no {channels} channels to {what}: try --channels 1"
    if "No input device matching" in text or "No output device matching" in text:
        return f"{text}: `bandmate capture --list` shows the names there are"
    return f"the sound device cannot be used: {text}"


def choose(devices: list[dict[str, Any]], default: int, side: str) -> int:
    """Return the device to use if none is named: the default one, else JACK's, else any.

    Args:
        devices: as `listed` returns them.
        default: PortAudio's own choice; below 0 if it has none.
        side: "inputs" or "outputs".
    """
    if default >= 0:
        return default
    able = [device for device in devices if device[side] > 0]
    able.sort(key=lambda device: "JACK" not in device["api"])
    return int(able[0]["number"]) if able else -1


def listed(sounddevice: Any) -> list[dict[str, Any]]:
    """Return all devices: number, name, api, inputs, outputs, rate (Hz)."""
    apis = sounddevice.query_hostapis()
    return [
        {
            "number": number,
            "name": device["name"],
            "api": apis[device["hostapi"]]["name"],
            "inputs": device["max_input_channels"],
            "outputs": device["max_output_channels"],
            "rate": device["default_samplerate"],
        }
        for number, device in enumerate(sounddevice.query_devices())
    ]


def _record(sounddevice: Any, request: dict[str, Any]) -> None:
    blocks: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def recorded(data: Any, frames: int, time: Any, status: Any) -> None:
        if status.input_overflow:
            report("lost")
        blocks.put(bytes(data))

    options = _options(sounddevice, request, "inputs")
    with sounddevice.RawInputStream(**options, callback=recorded) as stream:
        report("open", rate=stream.samplerate, channels=request["channels"])
        while True:
            sys.stdout.buffer.write(blocks.get())
            sys.stdout.buffer.flush()


def _play(sounddevice: Any, request: dict[str, Any]) -> None:
    size = 4 * request["channels"]  # bytes of a frame
    blocks: queue.Queue[bytes] = queue.Queue(AHEAD)
    ended: queue.SimpleQueue[bool] = queue.SimpleQueue()
    played = reported = 0

    def wanted(out: Any, frames: int, time: Any, status: Any) -> None:
        nonlocal played, reported
        try:
            data = blocks.get_nowait()
        except queue.Empty:
            data = b"\0" * len(out)  # The first moment, or a mixer that is late.
        if not data:
            out[:] = b"\0" * len(out)
            ended.put(True)
            raise sounddevice.CallbackStop
        out[: len(data)] = data
        out[len(data) :] = b"\0" * (len(out) - len(data))
        played += frames
        if played - reported >= TICK * stream.samplerate:
            reported = played
            report("played", frames=played)

    options = _options(sounddevice, request, "outputs")
    stream = sounddevice.RawOutputStream(**options, blocksize=BLOCK, callback=wanted)
    with stream:
        report("open", rate=stream.samplerate, channels=request["channels"])
        while data := sys.stdin.buffer.read(BLOCK * size):
            blocks.put(data)
        blocks.put(b"")
        ended.get()
        report("ended")


def _options(sounddevice: Any, request: dict[str, Any], side: str) -> dict[str, Any]:
    device, rate = request["device"], request["rate"]
    if device is None:
        default = sounddevice.default.device[0 if side == "inputs" else 1]
        device = choose(listed(sounddevice), default, side)
    own = float(sounddevice.query_devices(device, side[:-1])["default_samplerate"])
    if rate is not None and request["mode"] == "play" and rate != own:
        try:
            sounddevice.check_output_settings(device, request["channels"], "float32", None, rate)
        except sounddevice.PortAudioError:
            rate = own  # The parent resamples.
    return {
        "device": device,
        "samplerate": own if rate is None else rate,
        "channels": request["channels"],
        "dtype": "float32",
        "latency": "high",
    }


def name_client() -> None:
    """Have JACK call our ports bandmate; PortAudio must know before it starts.

    sounddevice starts it when imported, and has no way to do this. Its own copy of the library, on
    macOS and Windows, knows no JACK: nothing happens there.
    """
    found = ctypes.util.find_library("portaudio")
    if found is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(found).PaJack_SetClientName(JACK_NAME)


def main() -> int:
    """Do what the request says and return the exit status."""
    request = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this.
    name_client()
    try:
        import sounddevice
    except ImportError:
        report("error", message=NO_PACKAGE)
        return 1
    except OSError:
        report("error", message=NO_LIBRARY)
        return 1
    mode = request["mode"]
    try:
        if mode == "list":
            report("devices", devices=listed(sounddevice))
        else:
            {"record": _record, "play": _play}[mode](sounddevice, request)
    except BrokenPipeError:  # The parent has gone.
        return 1
    except (sounddevice.PortAudioError, ValueError) as error:
        facts = mode, request["rate"], request["channels"]
        report("error", message=explained(str(error), *facts))
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())  # Without PortAudio's own clean-up, which can hang.
