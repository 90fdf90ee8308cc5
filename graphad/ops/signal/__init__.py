"""Arrays placed in larger ones, and windows that slide over them: what convolution is made of."""
