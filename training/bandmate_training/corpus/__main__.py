"""Run as `python -m bandmate_training.corpus`."""

from __future__ import annotations

import argparse
import sys

from bandmate_server.errors import BandmateError
from bandmate_training.corpus.command import add_arguments, run


def main() -> int:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(prog="bandmate-train corpus", description="make a corpus")
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except BandmateError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
