"""Load generators and comparisons, for people to run: no test does."""
