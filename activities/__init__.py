"""What touches the outside: one class per external system, one remote write an activity."""
