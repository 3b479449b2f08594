"""Who may do what: for now the one owner of this program."""
