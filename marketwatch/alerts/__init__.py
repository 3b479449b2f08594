"""Alerts: rules over the metric table, evaluated once per sample step for all symbols at once.

`rulebook` reads rules from a file, `evaluator` says what changed at a step, `lookout` wires both to a running watch.
"""
