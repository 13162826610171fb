"""`anomalygpt doctor`: whether this installation and this machine are fine."""
