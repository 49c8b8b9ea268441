"""Training of the face-ageing baselines Group-GAN, FA-GAN and F-GAN."""
