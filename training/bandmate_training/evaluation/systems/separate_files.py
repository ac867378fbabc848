"""A process that separates files with a model, and nothing else: without torch, as the engine runs.

    python -m bandmate_training.evaluation.systems.separate_files ORDER

ORDER is JSON: `model` (its folder), `device`, `threads`, `files` and `out`; stems go to
`out`/<file name>/<stem>.wav.
"""

from __future__ import annotations

import json
import sys

from bandmate_server.errors import BandmateError
from bandmate_server.model.opening import open_model
from bandmate_server.separation.api import separate_file
from bandmate_server.settings import SeparateSettings

SETTINGS = SeparateSettings(format="wav", bit_depth="32f")


def main(order: str) -> int:
    """Separate; return the exit status."""
    wanted = json.loads(order)
    try:
        model = open_model(wanted["model"], wanted["device"], wanted["threads"])
        for file in wanted["files"]:
            separate_file(model, file, wanted["out"], settings=SETTINGS)
    except BandmateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
