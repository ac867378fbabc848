"""`bandmate play`: hear stems together, with keys for solo and mute."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr

from bandmate_bridge.sound.mixer import Mixer, stems_in
from bandmate_bridge.sound.process import SoundProcess
from bandmate_bridge.terminal.console import one_line, print_json, print_note
from bandmate_bridge.terminal.interrupts import Interrupt
from bandmate_server.errors import SettingsError, SoundCardError

BLOCK = 2048  # frames mixed at a time
JUMP = 5  # seconds
SOLO, MUTE = "123456789", "qwertyuio"
KEYS_HELP = "digit: solo; letter: mute; space: pause; , and .: 5 s back and on; 0: all; x: end"


class Player:
    """What the keys change: solo, mute and position of a mixer, pause and the end."""

    def __init__(self, mixer: Mixer):
        self.mixer, self.paused, self.over = mixer, False, False

    def press(self, key: str) -> bool:
        """Do what a key stands for; return whether it stands for anything."""
        mixer = self.mixer
        for keys, marked in ((SOLO, mixer.solo), (MUTE, mixer.muted)):
            index = keys.find(key)
            if 0 <= index < len(mixer.names):
                marked.symmetric_difference_update({index})
                return True
        if key in ",.":
            mixer.seek(mixer.position + (JUMP if key == "." else -JUMP) * mixer.rate)
        elif key == " ":
            self.paused = not self.paused
        elif key == "0":
            mixer.solo.clear()
            mixer.muted.clear()
        elif key in "x\x1b":
            self.over = True
        else:
            return False
        return True

    def line(self) -> str:
        """Return what is heard, on one line: `0:04 / 1:20  1q [bass]  2w drums`."""
        heard = self.mixer.heard()
        stems = "  ".join(
            f"{SOLO[index : index + 1]}{MUTE[index : index + 1]} "
            + (f"[{name}]" if heard[index] else f" {name} ")
            for index, name in enumerate(self.mixer.names)
        )
        at, whole = (_clock(n / self.mixer.rate) for n in (self.mixer.position, self.mixer.frames))
        return one_line(f"{at} / {whole}{' (pause)' if self.paused else ''}  {stems}")


def run(options: argparse.Namespace, interrupt: Interrupt) -> int:
    """Play until the end, a key or Ctrl-C; return 0.

    Raises:
        AudioError: if the stems cannot be read.
        SettingsError: if --solo or --mute name a stem that is not there.
        SoundCardError: if the device cannot be used, or goes.
    """
    with Mixer(stems_in(options.folder)) as mixer:
        mixer.solo |= _numbers(options.solo, mixer.names)
        mixer.muted |= _numbers(options.mute, mixer.names)
        mixer.seek(round((options.start or 0.0) * mixer.rate))
        player = Player(mixer)
        device = SoundProcess("play", options.device, mixer.channels, mixer.rate)
        with interrupt.polled(), device as output, _keys():
            if not options.quiet:
                print_note(f"{len(mixer.names)} stems; {KEYS_HELP}")
            _play(player, output, interrupt, show=not options.quiet and sys.stderr.isatty())
        if options.json:
            names, frames = mixer.names, mixer.position
            facts = {"stems": names, "frames": frames, "rate": mixer.rate}
            print_json({"ok": True, "command": "play", **facts})
    return 0


def _play(player: Player, output: SoundProcess, interrupt: Interrupt, *, show: bool) -> None:
    """Feed the child, as fast as it takes it, and hear keys and events meanwhile."""
    os.set_blocking(output.samples_in.fileno(), False)
    resampler = _resampler(player.mixer, output.rate)
    keys: list[Any] = [sys.stdin] if _is_open(sys.stdin) else []
    waiting, last, closed = b"", False, False
    output.alive()
    while not (player.over or interrupt.requested()):
        feeding: list[Any] = [] if closed else [output.samples_in]
        readable, writable, _ = select.select([output.events, *keys], feeding, [], 0.1)
        if sys.stdin in readable and not _press(player, keys):
            keys.clear()
        events = output.read_events() if output.events in readable else []
        if any(event["event"] == "ended" for event in events):
            return
        if writable:
            if not (waiting or last):
                waiting, last = _next_block(player, resampler)
            waiting = waiting[_written(output, waiting) :]
            if last and not waiting:
                output.samples_in.close()
                closed = True
        output.check()
        if show:
            sys.stderr.write("\r\x1b[K" + player.line())
            sys.stderr.flush()


def _next_block(player: Player, resampler: soxr.ResampleStream | None) -> tuple[bytes, bool]:
    """Return the next samples as the device wants them, and whether they are the last."""
    mixer = player.mixer
    if player.paused:
        return bytes(4 * BLOCK * mixer.channels), False
    block = mixer.read(BLOCK)
    last = mixer.position >= mixer.frames
    if resampler is not None:
        block = np.asarray(resampler.resample_chunk(block, last=last), np.float32)
    return block.astype("<f4").tobytes(), last


def _resampler(mixer: Mixer, rate: int) -> soxr.ResampleStream | None:
    if rate == mixer.rate:
        return None
    print_note(f"the device runs at {rate} Hz: what is heard is resampled from {mixer.rate} Hz")
    return soxr.ResampleStream(mixer.rate, rate, mixer.channels, dtype="float32")


def _written(output: SoundProcess, data: bytes) -> int:
    try:
        return os.write(output.samples_in.fileno(), data)
    except BlockingIOError:
        return 0
    except BrokenPipeError as error:
        raise SoundCardError("the sound device has gone") from error


def _press(player: Player, keys: list[Any]) -> bool:
    """Read keys; return False if no more can come."""
    data = os.read(keys[0].fileno(), 64)
    for key in data.decode("utf-8", "replace"):
        player.press(key.lower())
    return bool(data)


def _numbers(names: str | None, there: list[str]) -> set[int]:
    found = set()
    for name in (names or "").replace(" ", "").split(","):
        if name and name not in there:
            raise SettingsError(f"there is no stem {name!r}: there are {', '.join(there)}")
        if name:
            found.add(there.index(name))
    return found


@contextlib.contextmanager
def _keys() -> Iterator[None]:
    """Have keys arrive at once and unseen, if there is a terminal."""
    if not _is_open(sys.stdin) or not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        sys.stderr.write("\n")


def _is_open(stream: Any) -> bool:
    return stream is not None and not stream.closed


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"
