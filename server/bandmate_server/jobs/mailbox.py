"""The mailbox: a list of stems, or a failure, for a DAW that cannot be called.

`<inbox>/<job>.tsv` is renamed into place with a line per stem: track name, position in
samples, path. The DAW claims it by renaming it to `<job>.claimed`, imports, and answers with
`<job>.imported` or `<job>.error`. What it has imported is removed here, unless the first line of
`<job>.imported` is "linked": then the DAW plays these very files. A job that failed leaves
`<job>.failed`: one line with track name, position and message.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from bandmate_server.files import write_whole
from bandmate_server.jobs.request import Mail

SENT = (".tsv", ".claimed", ".imported", ".error", ".failed")


def post_stems(inbox: Path, job: str, mail: Mail, stems: list[dict[str, Any]]) -> None:
    """Put a job's stems into the mailbox.

    Args:
        inbox: the mailbox' folder.
        job: its id.
        mail: track name and position.
        stems: with "stem", "take" and "wav".

    Raises:
        OSError: if it cannot be written.
    """
    several = any(stem["take"] > 1 for stem in stems)
    lines = []
    for stem in stems:
        take = f" (take {stem['take']})" if several else ""
        name = _one_field(f"{mail.track} - {stem['stem']}{take}")
        lines.append(f"{name}\t{mail.position}\t{stem['wav']}\n")
    write_whole(inbox / f"{job}.tsv", "".join(lines))


def post_failure(inbox: Path, job: str, mail: Mail, message: str) -> None:
    """Tell the DAW that a job came to nothing.

    Raises:
        OSError: if it cannot be written.
    """
    fields = [_one_field(mail.track), str(mail.position), _one_field(message)]
    write_whole(inbox / f"{job}.failed", "\t".join(fields) + "\n")


def remove_failure(inbox: Path, job: str) -> None:
    """Remove a failure from the mailbox: its request was refused before, and is accepted now."""
    with contextlib.suppress(OSError):
        (inbox / f"{job}.failed").unlink()


def has_mail(inbox: Path, job: str) -> bool:
    """Return whether a job's mail is there, claimed or answered."""
    return any((inbox / f"{job}{ending}").exists() for ending in SENT)


def read_answer(inbox: Path, job: str) -> str | None:
    """Return what the DAW answered: "imported", "linked", "error: why", or None if nothing yet."""
    imported = _first_line(inbox / f"{job}.imported")
    if imported is not None:
        return "linked" if imported == "linked" else "imported"
    error = _first_line(inbox / f"{job}.error")
    return None if error is None else f"error: {error}"


def _first_line(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline(500).strip()
    except OSError:
        return None


def _one_field(text: str) -> str:
    """Return text without the characters that end a field or a line."""
    return "".join(char if char.isprintable() else " " for char in text).strip()
