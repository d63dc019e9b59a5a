"""What a run did: gathered from its receipts, and told in tables, sentences, cards and a figure."""
