"""What is evaluated on: clips of songs, their sources, other systems' estimates of them."""
