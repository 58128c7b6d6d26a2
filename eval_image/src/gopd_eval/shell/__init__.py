"""Effects of the evaluation: files, models, processes, tracking, the command line."""
