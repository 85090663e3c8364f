"""The journey as steps for `datasets.map`."""
