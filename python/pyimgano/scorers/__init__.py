"""What tells a defect from patch features: one file per way of scoring."""
