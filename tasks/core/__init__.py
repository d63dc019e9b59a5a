"""The crafts: plain Python, in wings that rest only on those below."""
