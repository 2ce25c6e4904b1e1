"""Analytics: what all of it means in numbers, as `docs/metrics.md` defines them."""
