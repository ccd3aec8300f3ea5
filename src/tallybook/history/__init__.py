"""What the console shows of jobs: written down while they run, at little cost, and never in the way of an export."""
