"""Downloading says what it would do."""


def download(filename):
    print(f"Downloading {filename}")
