"""The steps: one file, one public function each; ports come as arguments."""
