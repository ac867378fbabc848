"""The kinds of published files that can be converted, and what each is made of.

torch is imported when something is converted, not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bandmate_export.published.job import Job


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    roles: of the files that it is made of, all needed.
    write: writes the bundle.
    config: whether it needs a file of settings.
    """

    roles: tuple[str, ...]
    write: Callable[[Job], None]
    config: bool = False


def _htdemucs(job: Job) -> None:
    from bandmate_export.published.htdemucs import write_htdemucs

    write_htdemucs(job)


def _roformer(job: Job) -> None:
    from bandmate_export.published.roformer import write_roformer

    write_roformer(job)


def _msg_ld(job: Job) -> None:
    from bandmate_export.published.msg_ld import write_msg_ld

    write_msg_ld(job)


PAPER_ROLES = ("unet", "vae", "vocoder")
KINDS = {
    "msg-ld": Kind(PAPER_ROLES, _msg_ld),
    "msg-ld-arrange": Kind(PAPER_ROLES, _msg_ld),
    "htdemucs": Kind(("0",), _htdemucs),
    "htdemucs_ft": Kind(("0", "1", "2", "3"), _htdemucs),
    "htdemucs_6s": Kind(("0",), _htdemucs),
    "bs-roformer": Kind(("weights",), _roformer, config=True),
    "mel-band-roformer": Kind(("weights",), _roformer, config=True),
}
