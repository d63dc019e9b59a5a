"""The doors: how a run is started."""
