"""How values become files: figures drawn, pages, Markdown, CSV and JSON written. No pandas."""
