"""What the images consist of: `make sbom` lists it, `make audit` checks it for vulnerabilities and licences."""
