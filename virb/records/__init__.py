"""Records: everything needed to trust and repeat one number; records as they are read; published numbers."""
