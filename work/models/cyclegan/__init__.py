"""The networks of Group-GAN, FA-GAN and F-GAN: CycleGAN's generator and discriminator."""
