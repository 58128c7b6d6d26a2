"""What the trainer decides: the objective, verl's options, which checkpoint is whole. No clock, files or processes."""
