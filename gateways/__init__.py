"""The only place that speaks to the outside."""
