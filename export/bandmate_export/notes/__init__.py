"""Graphs of the networks on notes, behind the same inputs and outputs as those on mels."""
