"""Pages, fragments, API and streams on aiohttp."""
