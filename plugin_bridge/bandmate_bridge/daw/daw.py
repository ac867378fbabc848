"""What `bandmate daw` needs to know of a DAW: a row of the table in daw/daws.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setup:
    """What an installation is made for.

    Attributes:
        config: the DAW's configuration folder.
        workdir: work folder of the server, if it is not the default one.
        program: `bandmate`, for scripts that start the server or send requests by it.
        progress: called with what is done and the fraction done, if anybody wants to know.
    """

    config: Path
    workdir: Path | None = None
    program: Path | None = None
    progress: Callable[[str, float], None] | None = None


@dataclass(frozen=True)
class Change:
    """The files that were written or removed, and the lines that tell the user."""

    files: list[Path]
    lines: list[str]


@dataclass(frozen=True)
class Daw:
    """How one DAW is served; the functions raise DawError where it cannot be.

    Attributes:
        config_folders: returns those of this computer, the newest version's first.
        install: puts in place what the DAW needs of us; says what the user does next.
        uninstall: takes it away from a configuration folder.
        where: returns the places, by what they are, for a configuration folder.
        tasks: that `bandmate daw run` can do in it, by the module of its name in commands/.
    """

    config_folders: Callable[[], list[Path]]
    install: Callable[[Setup], Change]
    uninstall: Callable[[Path], Change]
    where: Callable[[Path], dict[str, list[Path]]]
    tasks: tuple[str, ...] = ()


def removed(files: list[Path], config: Path) -> Change:
    """Return what taking these files away from a configuration folder is reported as."""
    return Change(
        files, [f"removed {path}" for path in files] or [f"nothing of ours is in {config}"]
    )
