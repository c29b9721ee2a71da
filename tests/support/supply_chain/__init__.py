"""The contents of the images: `make sbom` lists them, `make audit` checks their vulnerabilities and licences."""
