"""Graphs of separators of waves."""
