"""For developers: makes the released artefacts of `contracts`, and refuses what would break a service already running.

`make contracts`, which is `python -m contract_release`, writes them; the tests compare what is committed with what the
code says. No image has this package.
"""
