"""Language models behind OpenAI's chat completions, which nearly everybody speaks: one client, presets for vendors."""
