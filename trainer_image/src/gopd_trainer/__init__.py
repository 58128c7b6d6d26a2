"""Trains a student by generalised on-policy distillation with verl: `python -m gopd_trainer --request request.json`."""
