"""Reinforcement learning: translations of the model itself, rewarded, by TRL's GRPOTrainer."""
