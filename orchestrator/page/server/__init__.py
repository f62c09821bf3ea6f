"""Serves the page of a training on 127.0.0.1, live. Needs starlette and uvicorn, of the extra `report`."""
