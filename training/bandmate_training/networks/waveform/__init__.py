"""Separators of waves, as others trained them: their networks, and their files."""
