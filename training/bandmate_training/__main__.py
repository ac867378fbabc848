"""`python -m bandmate_training`: what `bandmate-train` runs, for torchrun."""

import sys

from bandmate_training.cli import main

sys.exit(main())
