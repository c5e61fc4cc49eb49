"""Services for electronic signatures behind one small protocol."""
