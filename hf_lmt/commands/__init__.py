"""The commands of `hf-lmt`, one file each."""
