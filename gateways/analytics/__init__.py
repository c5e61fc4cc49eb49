"""Figures for analysis, as Parquet files in a folder or a bucket."""
