"""What the trainer does: it starts verl, plugs into it, watches it, and writes progress and reports."""
