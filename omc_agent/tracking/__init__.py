"""A finished run on its way to MLflow: what is said of it, where it goes, and the process that speaks to MLflow."""
