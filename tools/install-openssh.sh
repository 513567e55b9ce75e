#!/bin/sh
# Installs the OpenSSH client and server, which the agent's tests log in with on the loopback interface.
# The server is never started as a service. Ends with 0 when ssh, ssh-add, ssh-keygen and sshd can be run afterwards.
set -eu

present() {
  for program in ssh ssh-add ssh-keygen; do command -v "$program" >/dev/null 2>&1 || return 1; done
  command -v sshd >/dev/null 2>&1 || [ -x /usr/sbin/sshd ]
}

if present; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "OpenSSH is missing and there is no apt-get to install it" >&2
  exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then sudo="sudo -n"; fi
export DEBIAN_FRONTEND=noninteractive
install() { $sudo apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends openssh-client openssh-server; }
install >/dev/null 2>&1 || { $sudo apt-get update >/dev/null 2>&1 && install >/dev/null; }
present
