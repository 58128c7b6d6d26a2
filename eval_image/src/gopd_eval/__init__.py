"""Generation, grading and paired comparison of models: `python -m gopd_eval generate|grade|compare --request FILE`."""
