"""What the headers of image files say: read by content, whatever a file is called."""
