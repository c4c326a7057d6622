"""One file per image set: where it keeps its images, labels and masks."""
