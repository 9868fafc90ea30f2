"""Files as such: TOML and JSON, read and written so that nothing is lost; what they are about is not known here."""
