"""What one run is, field by field, and the identity it is stored under."""
