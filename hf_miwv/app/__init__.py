"""The app: scored rows in the browser, served from here."""
