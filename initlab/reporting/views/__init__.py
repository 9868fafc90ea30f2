"""What a report shows, as values: tables, sentences and figures. No matplotlib."""
