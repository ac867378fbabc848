"""The paper's own checkpoints, with the VAE and the vocoder that they need, to a bundle.

Of the two, one separates and generates everything (128 channels), the other arranges (192).
"""

from __future__ import annotations

import logging

from bandmate_export.bundle import About
from bandmate_export.paper.networks import read_paper_networks
from bandmate_export.published.job import Job
from bandmate_export.published.paper_bundle import CASES, DEFAULTS, write_paper
from bandmate_export.weights import Precision

logger = logging.getLogger(__name__)
PRECISION: Precision = "float16"  # of weights as stored: half the size on disk


def write_msg_ld(job: Job) -> None:
    """Convert a checkpoint, a VAE and a vocoder.

    Raises:
        CheckpointError: if one is unusable, or they do not fit together.
        ExportError: if a graph differs from torch.
    """
    files = {"checkpoint" if role == "unet" else role: path for role, path in job.files.items()}
    networks = read_paper_networks(files, PRECISION, assume=logger.warning)
    job.report(0.2, "writing graphs and comparing them with torch")
    about = About(job.name, job.version, job.licence, DEFAULTS)
    names = " ".join(path.name for path in job.files.values())
    write_paper(job.folder, networks, about, f"Converted from {names}.", CASES)
