"""The `listen` command: a page with parts that the model adds to songs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

from bandmate_server.errors import CorpusError
from bandmate_server.model.model import Model
from bandmate_server.model.opening import open_latent_model
from bandmate_server.option_arguments import add_option, add_value
from bandmate_server.option_kinds import Whole
from bandmate_server.options import DEVICE, SEED, TAKES, THREADS
from bandmate_server.settings import PartSettings
from bandmate_server.spec import MEL, STEMS
from bandmate_training.evaluation.arguments import CLIP_SECONDS, add_model, add_playing
from bandmate_training.evaluation.listen_page import Example, Sound, build_page
from bandmate_training.evaluation.reporting import prepare, progress_bar
from bandmate_training.evaluation.songs.clips import Clip, choose_clips, find_folders
from bandmate_training.evaluation.songs.excerpts import Excerpt, Stems, mix, mono, read_excerpt
from bandmate_training.evaluation.systems.engine_generators import bandmate_generator
from bandmate_training.evaluation.systems.generators import StemGenerator

HELP = "build a page to listen to added parts"
EPILOG = """\
Writes index.html, clips (Ogg Vorbis) and spectrograms to OUT. Open index.html in a browser.

  bandmate-train listen --song examples/late-bus-stems --out docs/listen
  bandmate-train listen --corpus corpus --tracks s1-00008,s1-00021 --stems drums,bass --out listen
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--corpus", type=Path, help="folder of <split>/<track>/<stem>.wav, any rate"
    )
    source.add_argument("--song", type=Path, help="folder of one song: <stem>.wav or .flac")
    add("--out", type=Path, required=True, help="folder of the page, made if missing")
    add("--split", default="validation", help="default: validation")
    add_model(parser)
    add(
        "--tracks",
        type=_names,
        default=[],
        metavar="A,B",
        help="songs of the corpus (default: any)",
    )
    add("--stems", type=_names, default=list(STEMS), metavar="A,B",
        help="parts to add, one example each (default: all four)")  # fmt: skip
    add_value(parser, TAKES.flag, Whole(1, 9), "of each", 3)
    add_value(parser, "--seconds", CLIP_SECONDS, "of each clip", 8.0)
    add_value(parser, SEED.flag, SEED.kind, "chooses the clips; of the first take", SEED.default)
    add_playing(parser)
    add_option(parser, DEVICE)
    add_option(parser, THREADS)


def _names(text: str) -> list[str]:
    return text.split(",")


def run(args: argparse.Namespace) -> int:
    """Add the parts and write the page; return the exit status.

    Raises:
        BandmateError: corpus, model or folder are not usable, or no song has a stem.
    """
    prepare(args.out)
    unknown = set(args.stems) - set(STEMS)
    if unknown:
        raise CorpusError(
            f"--stems {','.join(sorted(unknown))}: expected some of {', '.join(STEMS)}"
        )
    excerpts = _song_scenes(args) if args.song else _corpus_scenes(args)
    model = open_latent_model(args.model, args.device, args.threads)
    perform = bandmate_generator(model, PartSettings(steps=args.part_steps, guidance=args.guidance))
    examples: list[Example] = []
    with progress_bar("listen", len(excerpts)) as advance:
        for stem, excerpt in excerpts.items():
            examples.append(make_example(excerpt, stem, perform, args.takes, args.seed))
            advance()
    size = build_page(args.out, "Parts that bandmate added", _introduction(model), examples)
    sys.stderr.write(f"wrote {args.out / 'index.html'}, {size / 1e6:.1f} MB in all\n")
    return 0


def _corpus_scenes(args: argparse.Namespace) -> dict[str, Excerpt]:
    """Return a scene for each stem, of different songs as far as there are.

    Raises:
        CorpusError: if a track is missing, or none has a stem and two others.
    """
    folders = find_folders(args.corpus, args.split)
    if args.tracks:
        missing = set(args.tracks) - {folder.name for folder in folders}
        if missing:
            raise CorpusError(f"no track {', '.join(sorted(missing))} in {folders[0].parent}")
        folders = [folder for folder in folders if folder.name in args.tracks]
    clips = choose_clips(folders, 3 * len(folders), args.seconds, args.seed)
    found: dict[str, Excerpt] = {}
    for stem in args.stems:
        used = {excerpt.track for excerpt in found.values()}
        fitting = [excerpt for excerpt in map(read_excerpt, clips) if _has(excerpt, stem)]
        if not fitting:
            raise CorpusError(f"no clip has {stem} and two other stems: give other --tracks")
        found[stem] = next(
            (excerpt for excerpt in fitting if excerpt.track not in used), fitting[0]
        )
    return found


def _song_scenes(args: argparse.Namespace) -> dict[str, Excerpt]:
    """Return stretches of one song, from its beginning to its end, one for each stem.

    Raises:
        CorpusError: if a stem's file is missing or unreadable, or the song is too short.
    """
    waves: Stems = {}
    for stem in STEMS:
        path = next((p for p in args.song.glob(f"{stem}.*") if p.suffix in (".wav", ".flac")), None)
        if path is None:
            raise CorpusError(f"no {stem}.wav or {stem}.flac in {args.song}")
        try:
            wave, rate = sf.read(path, dtype="float32", always_2d=True)
        except sf.SoundFileError as error:
            raise CorpusError(f"{path} is not audio that can be read: {error}") from error
        waves[stem] = mono(wave, rate, round(len(wave) * MEL.sample_rate / rate))
    samples = round(args.seconds * MEL.sample_rate)
    last = min(len(wave) for wave in waves.values()) - samples
    if last < 0:
        raise CorpusError(f"{args.song} is shorter than --seconds {args.seconds}")
    starts = np.linspace(0, last, len(args.stems)).astype(int)
    return {
        stem: Excerpt(
            Clip(args.song, int(start), samples, MEL.sample_rate),
            {name: wave[start : start + samples] for name, wave in waves.items()},
        )
        for stem, start in zip(args.stems, starts, strict=True)
    }


def _has(excerpt: Excerpt, stem: str) -> bool:
    """Whether a stem sounds in a scene, and two others besides."""
    return excerpt.active(stem) and sum(excerpt.active(other) for other in STEMS) >= 3


def make_example(
    excerpt: Excerpt, stem: str, perform: StemGenerator, takes: int, seed: int
) -> Example:
    """Add a stem to a scene, several times; return all that is to be heard."""
    given = tuple(name for name in STEMS if name != stem and excerpt.active(name))
    context = mix({name: excerpt.stems[name] for name in given})
    true = excerpt.stems[stem]
    sounds = [
        Sound("Context", context),
        Sound(f"True {stem}", true, context + true),
    ]
    for take in range(takes):
        wave = perform(excerpt, given, (stem,), seed + take)[stem]
        sounds.append(Sound(f"Take {take + 1}", wave, context + wave))
    title = f"{stem.capitalize()} for {excerpt.track}"
    about = f"Given: {', '.join(given)}. {_about(excerpt)}"
    return Example(f"{stem}-{excerpt.track}", title, about, sounds)


def _about(excerpt: Excerpt) -> str:
    """Say where the clip is from, and key and tempo where the track's file has them."""
    path = excerpt.clip.folder / "track.json"
    text = f"From {excerpt.start:.1f} s on."
    if path.is_file():
        facts = json.loads(path.read_text())
        known = {k: facts[k] for k in ("source", "key", "tempo") if facts.get(k)}
        text += "".join(f" {name.capitalize()}: {value}." for name, value in known.items())
    return text


def _introduction(model: Model) -> str:
    return (
        "Each example gives the model the stems of the context and asks for one more. The true"
        " stem is what the song has there; a take need not be like it, but should fit."
        f" Model {model.bundle.name} {model.bundle.version}, hash"
        f" {model.bundle.hash[:16]}. 16 kHz, mono."
    )
