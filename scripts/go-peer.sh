#!/usr/bin/env bash
# Builds the ttrpc peer of the specs and benches (spec/peers/ttrpc) with Go's own ttrpc, to spec/peers/ttrpc/bin.
#
# It takes Go and ttrpc where they are installed (Debian 13: golang-go, golang-github-containerd-ttrpc-dev), else the
# packages of Debian 13, unpacked into a cache of the user's: that needs apt-get, but not root, and installs nothing.
# Where those are out of reach it takes the machine's own release: Debian 12 has ttrpc 1.1, for unary calls alone.
# Ends with a status other than 0 where there is neither; the specs then skip what needs the peer, and say so.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/millrace-go
bin=spec/peers/ttrpc/bin
mkdir -p "$cache" "$bin"

# build ROOT [go build flags]: with the Go and the sources under ROOT.
build() {
  local root=$1 go
  shift
  for go in "$root"/usr/bin/go "$root"/usr/lib/go-*/bin/go; do [ -x "$go" ] && break; done
  [ -x "$go" ] && [ -d "$root/usr/share/gocode/src/github.com/containerd/ttrpc" ] || return 1
  export GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local CGO_ENABLED=0 GOPATH=$root/usr/share/gocode GOCACHE=$cache/build
  timeout 300 "$go" build "$@" -o "$bin/ttrpc-peer" ./spec/peers/ttrpc || return 1
  # The program of docs/rpc-go.md; it has a stream.
  [ $# -gt 0 ] || timeout 300 "$go" build -o "$bin/greeter" ./samples/go/greeter.go
}

# unpack RELEASE GO PACKAGE...: the packages of that release of Debian, into a folder of the cache.
unpack() {
  local release=$1 go=$2 folder=$cache/$1 work uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  shift 2
  [ -e "$folder/complete" ] && return
  command -v apt-get >/dev/null && [ -e "$keyring" ] || return 1
  # Where this machine's own packages come from, the other release is as well.
  uri=$(apt-get update --print-uris | sed -n "s#^'\(.*\)/dists/$codename/InRelease'.*#\1#p" | head -1)
  [ -n "$uri" ] || return 1
  work=$(mktemp -d "$cache/XXXXXX")
  mkdir -p "$work"/{lists,archives}/partial "$work/debs" "$work/root"
  echo "deb [signed-by=$keyring] $uri $release main" >"$work/sources.list"
  local apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=-
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o APT::Sandbox::User=root -o Acquire::Languages=none
    -o Acquire::Retries=2 -o Acquire::http::Timeout=20)
  if timeout 120 "${apt[@]}" update &&
    (cd "$work/debs" && timeout 180 "${apt[@]}" download "$go-go" "$go-src" "${@/#/golang-}") &&
    (for deb in "$work"/debs/*; do dpkg -x "$deb" "$work/root" || exit 1; done); then
    touch "$work/root/complete"
    rm -rf "$folder"
    mv "$work/root" "$folder"
  fi
  rm -rf "$work"
  [ -e "$folder/complete" ]
}

codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
sources=(github-containerd-ttrpc-dev google-protobuf-dev google-grpc-dev google-genproto-dev
  github-sirupsen-logrus-dev golang-x-sys-dev)

if [ -e /usr/share/gocode/src/github.com/containerd/ttrpc/stream.go ] && build ''; then
  :
elif unpack trixie golang-1.24 "${sources[@]}" && build "$cache/trixie"; then
  :
elif [ "$codename" = bookworm ] &&
  unpack bookworm golang-1.19 "${sources[@]}" github-gogo-protobuf-dev github-golang-protobuf-1-5-dev &&
  build "$cache/bookworm" -tags unary; then
  echo 'go-peer: only ttrpc 1.1 is in reach, without streams' >&2
else
  echo 'go-peer: no Go with ttrpc is in reach' >&2
  exit 1
fi
"$bin/ttrpc-peer" version
