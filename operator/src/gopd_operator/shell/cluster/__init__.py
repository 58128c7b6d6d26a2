"""The operator's effects: watching, reading and writing objects of the API server, health, metrics, MLflow."""
