"""Scripts that made the small files of the embedded ageing model; each is reproducible from its seed."""
