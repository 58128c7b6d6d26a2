"""Acts: reads and writes files, starts processes, talks to people."""
