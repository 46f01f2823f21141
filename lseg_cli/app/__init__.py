"""`lseg app`: a page in the browser on which labels are typed and masks follow. `page` is the view, all else is not."""
