"""The API against its own OpenAPI document, by generated requests: `make check-api`, and a small share of it in the tests."""
