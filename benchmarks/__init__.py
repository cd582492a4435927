"""Measures backfilld beside rivals in the same run: `./dev bench`."""
