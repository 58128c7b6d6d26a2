"""Code tasks, done: programs that nobody trusts, run in a sandbox."""
