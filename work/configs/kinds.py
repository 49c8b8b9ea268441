"""What the files of trained networks call themselves, and their names in the folder of a run."""

GANS = "ageing_gans"  # kind of the baselines' generators
GANS_FILE = "generators.pdparams"
REAGING = "reaging"  # kind of the direct model
REAGER = "reaging.pdparams"
