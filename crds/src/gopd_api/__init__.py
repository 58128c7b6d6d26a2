"""The types that the operator, the trainer and the evaluation share: objects, requests, progress and reports.

Decides what a valid object or message is. Knows no kopf, torch, verl or mlflow, reads no environment and no clock.
"""

__version__ = "0.1.0"
