#!/usr/bin/env bash
# Creates debian:SUITE-slim: from an existing FOLDER/base.tar, from an image registry, or else by debootstrap as root,
# writing FOLDER/base.tar.
set -euo pipefail

suite=${1:?usage: base_image.sh bookworm|trixie FOLDER}
base=${2:?usage: base_image.sh bookworm|trixie FOLDER}/base.tar
image=debian:$suite-slim

has_image() { docker image inspect "$image" >/dev/null 2>&1; }

import_base() { docker import --change 'CMD ["bash"]' "$base" "$image" >/dev/null; }

has_image && exit 0
[ -e "$base" ] && import_base && exit 0
timeout 60 docker pull --quiet "$image" >/dev/null 2>&1 && exit 0

"$(dirname "$0")/../debian/bootstrap.sh" "$suite" "$base"
import_base
