"""Stems out of a mixture: masks, filters, rendering."""
