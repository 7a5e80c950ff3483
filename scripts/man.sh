#!/bin/sh
# man.sh MOLT FOLDER: writes FOLDER/molt.1 and FOLDER/molt-VERB.1 for each verb, from the command's own help.
set -eu
molt=$1
folder=$2
mkdir -p "$folder"
rm -f "$folder"/molt*.1
"$molt" help --man >"$folder/molt.1"
# The overview's lines of verbs: two spaces, the name, two spaces or more, the summary.
"$molt" help | sed -n 's/^  \([a-z][a-z -]*[a-z]\)  .*/\1/p' | while read -r verb; do
	# shellcheck disable=SC2086
	"$molt" help --man $verb >"$folder/molt-$(echo "$verb" | tr ' ' '-').1"
done
