"""Networks of the user's own, measured beside those of the registry.

Their code and files are opened in a worker process only. The parent reads what the command line says of them
(`own`), asks a worker to look at each (`examine`), and measures them as it does others.
"""
