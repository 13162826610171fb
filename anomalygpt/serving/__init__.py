"""The inspector's desk in the browser, and the one queue behind it.

`settings` what can be set, `engine` the model calls, `worker` the queue, `server` the web server,
`desk` the page.
"""
