"""What the page shows and does: `layout` its parts, `downloads` the files of an inspection,
`batch` several photos at once, `endpoints` two calls for programs."""
