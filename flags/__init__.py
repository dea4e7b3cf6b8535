"""absl flags, one module a concern; each has a builder from the parsed flags to the library's plain values."""
