"""The door of the Jupyter server: runs by REST."""
