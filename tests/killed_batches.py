"""Runs batches in processes of their own, forked so that each begins at once; see test_killed_batch.py.

Each line that is read is [recipe]; what is written back is the process's id.
"""

import json
import os
import signal
import sys

# Imported before the first fork: seconds that no child has to wait.
from napari_sam.batch.run_batch import run_batch
from tests.batch_images import load_threshold

if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                run_batch(json.loads(line)[0], load=load_threshold)
                status = 0
            finally:
                os._exit(status)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
