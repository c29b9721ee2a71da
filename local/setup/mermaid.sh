#!/bin/sh
# Fetch the script that draws the diagrams of the documentation site into .cache, with npm, and verify it.
set -eu

VERSION=11.16.0
SHA256=74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b
FILE=.cache/mermaid/mermaid.min.js
sum=sha256sum
command -v sha256sum >/dev/null 2>&1 || sum="shasum --algorithm 256" # macOS

verified() {
    [ -f "$1" ] && printf '%s  %s\n' "$SHA256" "$1" | $sum --check --status
}

fail() {
    echo "error: mermaid $VERSION, which draws diagrams, $*" >&2
    exit 1
}

verified $FILE && exit 0
rm -f $FILE
command -v npm >/dev/null 2>&1 || fail "cannot be fetched because npm is missing: install the package npm"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "fetching mermaid $VERSION"
npm pack --silent --pack-destination "$folder" "mermaid@$VERSION" >/dev/null || fail "cannot be fetched with npm"
tar -xzf "$folder/mermaid-$VERSION.tgz" -C "$folder" package/dist/mermaid.min.js
verified "$folder/package/dist/mermaid.min.js" || fail "does not have the expected checksum"
mkdir -p .cache/mermaid
mv "$folder/package/dist/mermaid.min.js" $FILE
