"""Files that others published, as bundles: `convert` takes each kind of them."""

from bandmate_export.published.convert import convert
from bandmate_export.published.kinds import KINDS

__all__ = ["KINDS", "convert"]
