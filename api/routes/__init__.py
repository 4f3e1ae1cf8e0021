"""The endpoints: thin controllers that say what a request asks and hand it to the desk."""
