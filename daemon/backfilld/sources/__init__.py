"""Where records come from. Tap is the one source there is; see `sources.tap`."""
