"""Training of the direct re-ageing network: rendered people at many ages, the pairs that they make, the recipe."""
