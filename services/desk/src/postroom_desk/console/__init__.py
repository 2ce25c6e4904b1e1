"""The page: server-rendered, with a little JavaScript of our own."""
