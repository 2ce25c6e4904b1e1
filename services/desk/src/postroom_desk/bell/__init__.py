"""The bell: people's notifications in the console."""
