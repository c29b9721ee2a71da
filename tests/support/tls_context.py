"""TLS settings for the tests' HTTP clients. Each client would make its own, which takes 13 ms of CPU."""

import ssl

TLS = ssl.create_default_context()
