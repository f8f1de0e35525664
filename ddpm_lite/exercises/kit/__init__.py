"""How an answer is called, compared and explained."""
