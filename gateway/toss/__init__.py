"""Opening the packets that came in and doing what they ask for."""
