#!/bin/sh
# Makes the namespace that workers poll; running it again changes nothing.
set -eu
temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 30d
