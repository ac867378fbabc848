"""What a batch does with every song, and where each result goes."""

from __future__ import annotations

import hashlib
import json
import string
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from bandmate_bridge.batch.inputs import BatchItem
from bandmate_bridge.host.chains import Chains, nearest
from bandmate_server.errors import SettingsError
from bandmate_server.settings import PartSettings, SeparateSettings

FIELDS = ("folder", "name", "stem", "ext", "suffix")
MANIFEST, SESSION, MIX = "manifest", "session", "mix"

Dawproject = Literal["inside", "external"]


@dataclass(frozen=True)
class Work:
    """One unit of work: a song, and which take of it (from 1; 0 if there is only one)."""

    song: BatchItem
    take: int = 0


@dataclass(frozen=True)
class BatchPlan:
    """All that is the same for every song; it travels to the workers.

    out: the folder of all results.
    template: of each file's place in it.
    settings: of the task, which they tell; take K adds K - 1 to the seed.
    added: the stems that are added to each song; none are when it is separated.
    chains: effects, and their fingerprint; None for none.
    mixdown: whether the stems' sum is written; minus: stems that it leaves out.
    dawproject: how a session's audio is kept; None for no session.
    model, device, threads: for `open_model`.
    resume, force: keep what is complete; replace what is there.
    """

    out: Path
    template: str
    settings: SeparateSettings | PartSettings
    model: str
    device: str
    threads: int
    added: tuple[str, ...] = ()
    chains: Chains | None = None
    chains_hash: str = ""
    mixdown: bool = False
    minus: tuple[str, ...] = ()
    dawproject: Dawproject | None = None
    resume: bool = False
    force: bool = False

    def seed(self, work: Work) -> int:
        """Return the seed of a take."""
        return self.settings.seed + max(0, work.take - 1)

    def place(self, work: Work, stem: str, ending: str | None = None) -> Path:
        """Return the path of a result relative to `out`.

        Args:
            work: of which song and take.
            stem: the result's name.
            ending: instead of the audio format's.
        """
        song = work.song
        filled = self.template.format(
            folder=song.folder,
            name=song.path.stem,
            stem=stem,
            ext=self.settings.format,
            suffix=song.path.suffix.removeprefix("."),
        )
        parts = [part for part in PurePosixPath(filled).parts if part not in ("/", ".")]
        if work.take:
            parts.insert(0, f"take-{work.take}")
        path = Path(*parts)
        return path if ending is None else path.with_suffix(f".{ending}")

    def manifest(self, work: Work) -> Path:
        """Return the path of the manifest, which is written last: with it, a song is complete."""
        return self.out / self.place(work, MANIFEST, "json")

    def key(self, work: Work, input_hash: str, model_hash: str) -> str:
        """Return a hash of all that decides about the results' bytes."""
        settings = asdict(replace(self.settings, seed=self.seed(work)))
        rest = [list(self.added), self.chains_hash, self.mixdown, list(self.minus), self.dawproject]
        said = json.dumps([input_hash, model_hash, settings, rest], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


def check_template(template: str, ending: str) -> None:
    """Refuse a template that cannot name every result's place.

    Raises:
        SettingsError: if a field is unknown, {stem} is missing, or it leads out of the folder.
    """
    try:
        fields = [
            field for _, field, _, _ in string.Formatter().parse(template) if field is not None
        ]
    except ValueError as error:
        raise SettingsError(f"template {template!r}: {error}") from error
    for field in fields:
        if field not in FIELDS:
            raise SettingsError(
                f"template {template!r} has no {{{field}}}: {nearest(field, FIELDS)}"
            )
    if "stem" not in fields or not {"name", "folder"} & set(fields):
        raise SettingsError(f"template {template!r} needs {{name}} and {{stem}}")
    if not template.endswith((".{ext}", f".{ending}")):
        raise SettingsError(f"template {template!r} must end in .{{ext}} or .{ending}")
    if template.startswith("/") or ".." in PurePosixPath(template).parts:
        raise SettingsError(f"template {template!r} leads out of the folder that --out names")


def collisions(plan: BatchPlan, works: list[Work]) -> dict[int, str]:
    """Return the positions of works whose results would replace an earlier one's, and why."""
    seen: dict[str, Work] = {}
    found: dict[int, str] = {}
    for index, work in enumerate(works):
        place = plan.place(work, MANIFEST).as_posix().casefold()
        first = seen.setdefault(place, work)
        if first is not work:
            found[index] = (
                f"{work.song.path} would be written over the results of {first.song.path}:"
                " put {suffix} or {folder} into --template"
            )
    return found
