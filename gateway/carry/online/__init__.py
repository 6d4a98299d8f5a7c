"""The online protocol: sessions with neighbours over connections."""
