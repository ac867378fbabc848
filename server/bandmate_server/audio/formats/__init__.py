"""What an audio file really holds, whatever its header says.

A length in a header is a claim: programs that write to a pipe cannot know it, and files are
joined, cut off and tagged afterwards. Here the bytes themselves are looked at; libsndfile then
decodes views of them (`View`) in which false claims are put right.
"""
