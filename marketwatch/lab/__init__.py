"""The rule lab: what a rule would have done over stored history. Same language, same semantics as the live evaluator."""
