"""Models that compute on another machine."""
