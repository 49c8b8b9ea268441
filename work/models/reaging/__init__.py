"""The direct re-ageing network: a photo and two ages in, the difference that age makes out."""
