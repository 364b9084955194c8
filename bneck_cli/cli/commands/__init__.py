"""The commands, a file each: its name is the command's, ``command`` its options, ``EXAMPLES`` the end of its help.

``GROUP`` is the heading that it stands under in the help of all. ``FAILURE`` is the exit code for a wrong spec, where
it is not 1. A command imports what answers it when it runs, so that ``--help`` and the other commands do not.
"""
