"""What people look at: figures, a moving picture and a table, all of the session's own comparison."""
