"""The Gradio page: `layout` its parts, `page`, `talking` and `batch` what its buttons do, `views`,
`shown` and `report` what is seen, `downloads` the files of an inspection, `sessions` what each
visitor has on the desk, `visits` and `rows` what lies there, `mounting` its looks, `endpoints` two
calls for programs."""
