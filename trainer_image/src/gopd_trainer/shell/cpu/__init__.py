"""What verl needs to train on processors: a platform, an engine for it, and rollouts by transformers."""
