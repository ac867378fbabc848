"""How far a system's output is from the truth, or from music."""
