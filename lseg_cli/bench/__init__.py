"""How fast engines are and what they take."""
