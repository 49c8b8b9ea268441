"""The scripts that made the data of the embedded ageing model. Their seeds make them reproducible."""
