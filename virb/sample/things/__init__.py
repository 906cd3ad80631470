"""Things: what scenes are furnished with."""
