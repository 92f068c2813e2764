"""One module per family of commands; each builds its flags from the settings' models."""
