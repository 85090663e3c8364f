"""The app: translating, and an evaluation's page, in the browser."""
