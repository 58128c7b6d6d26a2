"""Decides what a job's objects on a cluster should be. Pure: dictionaries in, dictionaries out."""
