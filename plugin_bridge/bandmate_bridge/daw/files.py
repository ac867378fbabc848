"""Files in a DAW's configuration folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def scripts_folder(daw: str) -> Path:
    """Return the folder that our scripts for this DAW come in: a wheel's, or a checkout's."""
    folder = Path(__file__).parent
    packed = folder / "scripts" / daw
    return packed if packed.is_dir() else folder.parents[1] / daw


def write_settings(path: Path, values: dict[str, Path | None]) -> Path:
    """Write what the scripts cannot know by themselves; return the file."""
    fields = []
    for name, value in values.items():
        if value is not None:
            text = str(value.absolute()).replace("\\", "/").replace('"', '\\"')
            fields.append(f'{name} = "{text}"')
    write_text(path, f"return {{ {', '.join(fields)} }}\n")
    return path


def copy_scripts(sources: Iterable[Path], folder: Path) -> list[Path]:
    """Copy scripts into a folder and return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(sources):
        written.append(folder / source.name)
        write_text(written[-1], source.read_text("utf-8"))
    return written


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, "utf-8")
    new.replace(path)
