"""From files to pixels: lists of images, reading, preprocessing, health."""
