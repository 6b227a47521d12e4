"""What goes to the terminal: words of models, documents and servers made printable, and a run while it goes on."""
