"""How good a model is: tables, measures, pages to listen to."""
