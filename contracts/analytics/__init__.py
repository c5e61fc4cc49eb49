"""Figures for whoever analyses contracts elsewhere: what they mean, and an export's tables."""
