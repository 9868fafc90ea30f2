"""Inputs that nobody thought of: whatever they are, they are read, or refused in one message."""
