#!/bin/sh
# Installs Debian's Chromium and Firefox, in which npm run e2e drives the web app.
# Ends with 0 when both can be run afterwards. Needs a Debian system and the right to install packages.
set -eu

present() {
  for program in chromium firefox-esr; do command -v "$program" >/dev/null 2>&1 || return 1; done
}

if present; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "chromium or firefox-esr is missing and there is no apt-get to install it" >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo="sudo -n"; fi
export DEBIAN_FRONTEND=noninteractive
install() { $sudo apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends chromium firefox-esr; }
install >/dev/null 2>&1 || { $sudo apt-get update >/dev/null 2>&1 && install >/dev/null; }
present
