"""Full-text search: words, queries, entries of the index, snippets. Pure."""
