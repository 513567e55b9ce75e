#!/bin/sh
# Installs the stock age and jq, with which a slow test opens an archive without any code of ours.
# Ends with 0 when both can be run afterwards. Needs a Debian or Ubuntu system and the right to install packages.
set -eu

present() {
  for program in age age-keygen jq; do command -v "$program" >/dev/null 2>&1 || return 1; done
}

if present; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "age or jq is missing and there is no apt-get to install it" >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo="sudo -n"; fi
export DEBIAN_FRONTEND=noninteractive
install() { $sudo apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends age jq; }
install >/dev/null 2>&1 || { $sudo apt-get update >/dev/null 2>&1 && install >/dev/null; }
present
