"""One script a figure: each prints its figure beside the reference it is a ratio of, from one run. Not part of the package."""
