"""The demo: two questions over two corpora, through both frameworks, with a recording or a real model."""
