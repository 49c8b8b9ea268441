"""SAM face ageing on PaddlePaddle."""
