"""The pages for people: the same views, desk and words as the API, made into HTML.

Whole without a script, live with one. Whatever a page can do, the API and the command line can.
"""
