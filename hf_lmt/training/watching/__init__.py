"""Translation quality by direction while a model trains, in any `transformers.Trainer`."""
