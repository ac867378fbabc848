"""Notes to train on: from songs, from rendered corpora, with faults."""
