"""The binaries: a docstring that is the manual, flags, and a `main` that calls one library function."""
