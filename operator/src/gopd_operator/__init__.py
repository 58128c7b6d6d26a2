"""The gopd command: plans distillation jobs and runs them."""
