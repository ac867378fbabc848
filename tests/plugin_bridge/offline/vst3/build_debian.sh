#!/bin/bash
# build_debian.sh WORK NAME...: builds effects of Debian's source package zam-plugins, without
# their windows, as WORK/out/NAME.vst3. About 4 s each. Needs apt with Debian's sources, g++,
# dpkg-dev and dpf-source. The upstream tarball is all that is used of the source package.
set -euo pipefail
work=$(realpath -m "$1")
shift
dpf=/usr/share/dpf
mkdir -p "$work/lists/partial" "$work/parts" "$work/out"
cd "$work"
if ! ls zam-plugins_*.orig.tar.xz >/dev/null 2>&1; then
  # The machine's own package sources, asked for source packages, with lists of their own.
  for list in /etc/apt/sources.list.d/*.sources; do
    sed 's/^Types:.*/Types: deb-src/' "$list" >"parts/$(basename "$list")"
  done
  if [ -f /etc/apt/sources.list ]; then
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >parts/more.list
  fi
  apt=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts"
    -o "Dir::State::lists=$work/lists")
  apt-get "${apt[@]}" update -qq
  apt-get "${apt[@]}" source -qq --download-only zam-plugins || true
fi
tar xf zam-plugins_*.orig.tar.xz
for name in "$@"; do
  rm -rf "build/$name" && mkdir -p build && cp -r zam-plugins-*/plugins/"$name" "build/$name"
  sed -i -E 's/(define *DISTRHO_(PLUGIN_HAS_UI|UI_USE_NANOVG) *) 1/\1 0/' \
    "build/$name/DistrhoPluginInfo.h"
  place="out/$name.vst3/Contents/$(uname -m)-linux"
  mkdir -p "$place"
  g++ -w -std=gnu++17 -O2 -fPIC -shared -fvisibility=hidden -DNDEBUG -DHAVE_PTHREADS \
    -DDISTRHO_PLUGIN_TARGET_VST3 "-Ibuild/$name" -I$dpf/distrho \
    "build/$name/${name}Plugin.cpp" $dpf/distrho/DistrhoPluginMain.cpp -o "$place/$name.so" \
    -ldl -lpthread "-Wl,--version-script=$dpf/utils/symbols/vst3.version"
done
