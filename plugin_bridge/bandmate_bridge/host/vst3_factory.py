"""What a VST3 plug-in says it is, without making an instance of it.

pedalboard tries an instrument with notes for minutes if it stays silent, before it returns. The
plug-in's factory, which every VST3 has to have, answers at once: after
steinbergmedia.github.io/vst3_doc, IPluginFactory2 and "VST 3 Plug-in Structure".
"""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path
from typing import Any

FACTORY_2 = bytes.fromhex("0007B650F24B4C0BA464EDB9F00B2ABB")  # IPluginFactory2's id
QUERY_INTERFACE, COUNT_CLASSES, GET_CLASS_INFO_2 = 0, 4, 7  # places in its table of methods
AUDIO = b"Audio Module Class"


class _ClassInfo2(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_char * 16),
        ("cardinality", ctypes.c_int32),
        ("category", ctypes.c_char * 32),
        ("name", ctypes.c_char * 64),
        ("flags", ctypes.c_uint32),
        ("kinds", ctypes.c_char * 128),  # such as "Fx|Dynamics" or "Instrument|Synth"
        ("maker", ctypes.c_char * 64),
        ("version", ctypes.c_char * 64),
        ("sdk", ctypes.c_char * 64),
    )


def is_instrument(path: Path, name: str = "") -> bool:
    """Return whether a plug-in says that it is an instrument; False where it cannot be asked.

    Args:
        path: of the bundle, or of the library itself.
        name: of one plug-in, if the file holds several.
    """
    library = _library(path)
    if library is None:
        return False  # Not Linux, or not for this processor.
    kinds = dict(_kinds(library))
    chosen = [kinds[name]] if name in kinds else list(kinds.values())
    return bool(chosen) and all("Instrument" in kind.split("|") for kind in chosen)


def _library(path: Path) -> Path | None:
    if sys.platform != "linux":
        return None
    if path.is_file():
        return path
    found = sorted((path / "Contents" / f"{platform.machine()}-linux").glob("*.so"))
    return found[0] if found else None


def _kinds(library: Path) -> list[tuple[str, str]]:
    """Return (name, kinds) of every plug-in in a library."""
    try:
        module = ctypes.CDLL(str(library))
        module.ModuleEntry.argtypes = (ctypes.c_void_p,)
        module.ModuleEntry(module._handle)
        module.GetPluginFactory.restype = ctypes.c_void_p
        factory = module.GetPluginFactory()
    except (OSError, AttributeError):
        return []  # Whoever loads it says what is wrong with it.
    newer = ctypes.c_void_p()
    if not factory or _method(factory, QUERY_INTERFACE)(FACTORY_2, ctypes.byref(newer)):
        return []
    found = []
    for index in range(_method(newer.value, COUNT_CLASSES)()):
        about = _ClassInfo2()
        failed = _method(newer.value, GET_CLASS_INFO_2)(index, ctypes.byref(about))
        if not failed and about.category == AUDIO:
            found.append((about.name.decode("utf-8", "replace"), about.kinds.decode("latin-1")))
    return found


def _method(thing: Any, place: int) -> Any:
    """Return a method of a C++ object by its place in the table that the object begins with."""
    table = ctypes.cast(thing, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
    kinds = {
        QUERY_INTERFACE: (ctypes.c_char_p, ctypes.c_void_p),
        COUNT_CLASSES: (),
        GET_CLASS_INFO_2: (ctypes.c_int32, ctypes.c_void_p),
    }[place]
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *kinds)(table[place])
    return lambda *arguments: function(thing, *arguments)
