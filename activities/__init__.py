"""What touches the outside: one class per external system, each activity safe to repeat."""
