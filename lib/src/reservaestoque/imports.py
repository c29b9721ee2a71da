"""Imported first by each program: pauses the garbage collector while the program imports its modules.

Nearly all that an import allocates stays. Without the pause, the collector examines it again and again, which takes
10 % of the CPU time of the imports. `runtime.run` resumes it.
"""

import gc

gc.disable()
