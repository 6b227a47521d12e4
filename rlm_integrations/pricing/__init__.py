"""Lists of prices that others keep, as what a run's tokens cost."""
