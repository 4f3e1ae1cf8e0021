"""What the command line prints for people; a module for each kind of command.

The text is for terminals of 80 columns. Times are UTC.
"""
