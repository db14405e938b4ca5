"""Tables to pages and documents: one file a report."""
