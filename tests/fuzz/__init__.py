"""Programs that know the documents send what people would not."""
