"""`bandmate capture`: record a region from a sound device, such as a DAW's output."""

from __future__ import annotations

import argparse
import os
import select
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bandmate_bridge.sound.level_meter import LevelMeter
from bandmate_bridge.sound.process import SoundProcess, devices
from bandmate_bridge.terminal.console import print_json, print_note, print_result, print_warning
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.errors import OutputError, SoundCardError
from bandmate_server.results.claim import claimed

READ = 1 << 16  # bytes at a time


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Record until the time is over or Ctrl-C; return 0.

    Raises:
        SoundCardError: if the device cannot be used, or goes; what was recorded until then is kept.
        OutputError: if the file is there already.
    """
    if options.list:
        return _list(options)
    path: Path = options.out
    if path.suffix.lower() != ".wav":
        raise OutputError(f"{path}: a recording is a WAV file, its name should end with .wav")
    with claimed(path):
        if path.exists() and not options.force:
            raise OutputError(f"{path} is there already: use --force to replace it")
        recorder = SoundProcess("record", options.device, options.channels, options.rate)
        with interrupt.polled(), recorder as source:
            if not options.quiet:
                print_note(
                    f"recording {options.channels} channels at {source.rate} Hz; Ctrl-C ends it"
                )
            frames = _record_file(source, path, options, interrupt)
    seconds = frames / source.rate
    if source.lost:
        print_warning(f"{source.lost} blocks were lost: the machine was too busy")
    if options.json:
        facts = {"file": str(path.absolute()), "rate": source.rate, "channels": options.channels}
        print_json(
            {"ok": True, "command": "capture", "frames": frames, "lost": source.lost, **facts}
        )
    elif not options.quiet:
        print_result(f"{path}: {seconds:.2f} s")
    return 0


def _record_file(
    source: SoundProcess, path: Path, options: argparse.Namespace, interrupt: Interrupt
) -> int:
    """Record into a file that appears whole; return its frames."""
    most = None if options.seconds is None else round(options.seconds * source.rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    gone: SoundCardError | None = None
    settings: dict[str, Any] = {"format": "WAV", "subtype": "FLOAT", "mode": "w"}
    with soundfile.SoundFile(
        part, samplerate=source.rate, channels=options.channels, **settings
    ) as file:
        meter = LevelMeter(source.rate, not options.quiet)
        try:
            _record_until(source, file, most, interrupt, meter)
        except SoundCardError as error:
            gone = error
        finally:
            meter.close()
        frames = int(file.tell())
    if gone is not None and frames == 0:
        part.unlink()
        raise gone
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(path)
    if gone is not None:
        raise SoundCardError(f"{gone} {frames / source.rate:.1f} s until then are in {path}")
    return frames


def _record_until(
    source: SoundProcess,
    file: soundfile.SoundFile,
    most: int | None,
    interrupt: Interrupt,
    meter: LevelMeter,
) -> None:
    size = 4 * file.channels
    rest = b""
    source.alive()
    while not interrupt.requested() and (most is None or file.tell() < most):
        ready = select.select([source.samples_out, source.events], [], [], 0.1)[0]
        if source.events in ready:
            source.read_events()
        if source.samples_out in ready:
            rest += os.read(source.samples_out.fileno(), READ)
            whole = len(rest) // size * size
            block = np.frombuffer(rest[:whole], np.float32).reshape(-1, file.channels)
            file.write(block if most is None else block[: most - file.tell()])
            meter.push(block)
            rest = rest[whole:]
            source.alive()
        source.check()


def _list(options: argparse.Namespace) -> int:
    found = devices()
    if options.json:
        print_json({"ok": True, "command": "capture", "devices": found})
    elif not found:
        print_result("PortAudio finds no sound device. Start a JACK server, or plug one in.")
    else:
        for device in found:
            sides = f"{device['inputs']} in, {device['outputs']} out, {device['rate']:.0f} Hz"
            print_result(f"{device['number']:3}  {device['name']} ({device['api']}): {sides}")
    return 0
