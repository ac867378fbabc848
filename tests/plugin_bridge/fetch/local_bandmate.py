"""`bandmate` with other addresses and checksums: from a JSON file, name -> [url, sha256].

With WITHOUT=name in the environment, as if that package was not installed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from bandmate_bridge.cli import main
from bandmate_server.model.library import catalogue


class Without(PathFinder):
    """Finds what Python's own finder does, but for one package."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        missing = fullname == os.environ.get("WITHOUT")
        return None if missing else super().find_spec(fullname, path, target)


if __name__ == "__main__":
    known = json.loads(Path(sys.argv[1]).read_text())
    sys.meta_path[:] = [Without if one is PathFinder else one for one in sys.meta_path]
    rows = []
    for row in catalogue.CATALOGUE:
        files = [
            replace(file, url=known[file.name][0], sha256=known[file.name][1])
            if file.name in known
            else file
            for file in row.files
        ]
        rows.append(replace(row, files=tuple(files)))
    catalogue.CATALOGUE = tuple(rows)
    sys.exit(main(sys.argv[2:]))
