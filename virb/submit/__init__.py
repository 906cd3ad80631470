"""Submit: bundles that anyone can check, their verdicts, and records that are made again.

card + records -> bundle (make); bundle -> verdict (verify); bundle -> results folder (merge); record -> the command
that made it, and what it gives today (reproduce).
"""
