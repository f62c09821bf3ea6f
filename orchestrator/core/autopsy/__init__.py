"""Why a training, a run or a session ended: one verdict of a fixed list, from the evidence that is at hand."""
