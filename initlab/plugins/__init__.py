"""What outsiders may add: name tables, and loading code that is named on the command line."""
