"""A recipe to a trained model: rows, launch checks, TRL's SFTTrainer, a folder that is whole."""
