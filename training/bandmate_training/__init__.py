"""Networks, corpora, training and evaluation of bandmate's models."""
