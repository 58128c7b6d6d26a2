"""The page of a comparison: one HTML document that needs nothing else, with plots, their numbers, and samples to read.

Pure functions from a report to text. Whatever comes from a model is escaped where it becomes markup, in `markup`.
"""
