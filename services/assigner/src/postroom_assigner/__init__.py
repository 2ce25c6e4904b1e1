"""The assigner decides who owns a conversation, and until when."""
