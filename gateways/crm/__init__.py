"""CRMs behind one small protocol."""
