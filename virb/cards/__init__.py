"""Cards: what is declared, of tasks, encoders, protocols and data sets; and the words of the command line to cards."""
