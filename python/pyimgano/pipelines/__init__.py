"""Whole jobs: benchmark runs and detection in unlabelled folders."""
