"""The paper's own figures: VGGish, Slakh2100's test songs at 16 kHz. Not ours, not comparable.

Source: Karchkhadze, Izadi, Dubnov 2025 (MSG-LD), Tables I and III; MSDM is Mariani et al. 2024,
MusicLDM Chen et al. 2024, both as measured there. The text gives 1.36 for MSG-LD's total
generation, the table 1.30.
"""

from __future__ import annotations

EMBEDDING, DATA = "VGGish", "Slakh2100 test"
# fmt: off
ARRANGEMENTS = {  # Table I: initials of the generated stems -> MSDM, MSG-LD
    "B": (0.45, 0.22), "D": (1.09, 0.78), "G": (0.11, 0.29), "P": (0.76, 0.51),
    "BD": (2.09, 0.83), "BG": (1.00, 0.59), "BP": (2.32, 0.83), "DG": (1.45, 0.99),
    "DP": (1.82, 1.11), "GP": (1.65, 0.96), "BDG": (2.93, 1.09), "BDP": (3.30, 1.15),
    "BGP": (4.90, 1.23), "DGP": (3.10, 1.46),
}
# fmt: on
TOTAL = {"MSDM": 6.55, "MusicLDM": 1.68, "MSG-LD": 1.30}  # Table III
