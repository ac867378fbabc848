"""Many songs: plan, pool or cluster, report."""
