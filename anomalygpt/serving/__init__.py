"""The inspector's desk in the browser: a Gradio page, and the one queue behind it.

`settings` what can be set, `engine` the queue of model calls, `sessions` what each visitor has on
the desk, `views` and `report` what is shown, `page` what the buttons do, `desk` the parts of the
Gradio page, `server` the web server.
"""
