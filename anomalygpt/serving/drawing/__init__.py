"""Drawing masks in a browser: the page, what it asks the server for, and a server of its own."""
