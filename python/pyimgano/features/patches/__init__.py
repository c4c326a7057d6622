"""What makes patches of images: of a backbone's layers, or by filters that learn."""
