"""Where ingest touches the world: mail servers, the database, webhooks."""
