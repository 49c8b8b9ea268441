"""SAM face ageing on PaddlePaddle."""

import warnings

# Paddle 3 says this at every import, to people who compile nothing.
warnings.filterwarnings("ignore", message="No ccache found")
