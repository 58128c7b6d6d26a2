"""Known benchmarks: where their problems come from, what a record means, and how it is asked."""
