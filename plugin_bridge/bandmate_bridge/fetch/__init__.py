"""Published weights: fetched when they are asked for, checked, converted, installed."""
