"""Putting finished folders on the Hub, each in one commit."""
