"""What works here, and what to do about what does not: ``nbstream doctor`` and ``nb.doctor()``.

`gather`: this place -> `facts`, with `jupyter` for servers and kernel. `rows`: facts -> rows and a
verdict, with `routes` and `recent` for the browser's microphone. `show`: rows -> text, HTML.
`report`: all of it, as one object. Only `gather` and `jupyter` touch anything.
"""
