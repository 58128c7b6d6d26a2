"""What runs inside the sandbox's processes. Standard library only, and nothing here knows an expected value."""
