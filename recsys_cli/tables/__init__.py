"""Tables as people have them: find their columns, read them, reject what is wrong, encode attributes."""
