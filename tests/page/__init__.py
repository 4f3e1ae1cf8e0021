"""Tests of the page: its modules without a browser, and the page in Chromium."""
