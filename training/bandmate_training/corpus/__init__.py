"""The training corpus: songs written, arranged and rendered from Debian's free sounds."""
